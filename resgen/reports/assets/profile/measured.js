"use strict";
// What was measured, from the page's data, in the shapes that the charts need.

const DATA = JSON.parse(document.getElementById("data").textContent);

const RUNS = DATA.flatMap((record, number) =>
  record.runs.map((run) => ({
    ...run,
    record,
    number,
    title: DATA.length > 1
      ? `${record.title} · ${run.label}`
      : run.label,
  })));

// [[began, took], ...] in seconds.
const points = ({ took, first, gaps }) => {
  let at = first[0] || 0;
  return took.map((ns, i) => {
    const point = [at / 1e9, ns / 1e9];
    at += ns + (gaps[i] || 0);
    return point;
  });
};

// Bins as wide as Freedman and Diaconis say; what lies far out shares the last one.
const histogram = (values) => {
  const sorted = Float64Array.from(values).sort();
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  const low = sorted[0], highest = sorted[sorted.length - 1];
  const spread = at(0.75) - at(0.25);
  const far = at(0.995) + 2 * spread;
  const high = highest > far && spread > 0 ? far : highest;
  const ideal = (high - low) / ((2 * spread) / Math.cbrt(sorted.length));
  const count = Math.max(1, Math.min(120, Math.ceil(Number.isFinite(ideal) ? ideal : 1)));
  const step = (high - low) / count || low * 1e-3 || 1e-9;
  const bins = Array.from({ length: count }, (_, i) =>
    [low + i * step, low + (i + 1) * step, 0]);
  for (const value of sorted) {
    bins[Math.min(count - 1, Math.floor((value - low) / step))][2] += 1;
  }
  const beyond = sorted.filter((value) => value > bins[count - 1][1] * (1 + 1e-9)).length;
  return { bins, beyond, highest };
};

const blockOf = (operator) =>
  operator.section !== null && operator.block !== null
    ? `${operator.section}.${operator.block}` : null;

const placeOf = (operator) =>
  blockOf(operator) || operator.section
  || (operator.across.length ? `across ${operator.across.join(", ")}` : "unknown");

// Parts with no parts of their own: blocks, and sections without blocks.
const leaves = (parts) =>
  parts.filter((part) => part.kind === "block"
    || (part.kind === "section" && !parts.some((other) =>
      other.kind === "block" && other.path.startsWith(`${part.path}.`))));

const sectionOf = (parts, path) =>
  parts.filter((part) => part.kind === "section"
    && (path === part.path || path.startsWith(`${part.path}.`)))
    .sort((a, b) => b.path.length - a.path.length)[0];

// A name without the path of the part that it lies in, which stands above it.
const short = (name, path) =>
  (path && name.startsWith(`${path}.`) ? name.slice(path.length + 1) : name);

// Rectangles of the icicle: [level, from, to, name, section's number, what, short name].
// Siblings stand in the network's order, operators of a part by time.
const rectangles = (breakdown, parts) => {
  const order = new Map();
  for (const part of [...parts, ...breakdown.charges]) {
    if (!order.has(part.path)) order.set(part.path, order.size);
  }
  const tree = new Map();
  for (const operator of breakdown.operators) {
    const section = operator.section
      || (operator.across.length ? "across" : "unknown");
    const block = blockOf(operator) || "";
    if (!tree.has(section)) tree.set(section, new Map());
    const blocks = tree.get(section);
    if (!blocks.has(block)) blocks.set(block, []);
    blocks.get(block).push(operator);
  }
  const inOrder = (map) => [...map].sort(([a], [b]) =>
    (order.get(a) ?? Infinity) - (order.get(b) ?? Infinity) || 0);
  const total = (items) => items.reduce((sum, item) => sum + item.seconds, 0);
  const found = [[0, 0, total(breakdown.operators), "all operators", -1, "", "all operators"]];
  let at = 0;
  inOrder(tree).forEach(([section, blocks], number) => {
    const color = section === "across" || section === "unknown" ? -1 : number;
    const begin = at;
    for (const [block, operators] of inOrder(blocks)) {
      const start = at;
      for (const operator of operators.sort((a, b) => b.seconds - a.seconds)) {
        found.push([3, at, at + operator.seconds, operator.name, color, operator.kind,
          short(operator.name, block || section)]);
        at += operator.seconds;
      }
      if (block) found.push([2, start, at, block, color, "block", short(block, section)]);
    }
    found.push([1, begin, at, section, color, "stage", section]);
  });
  return found;
};
