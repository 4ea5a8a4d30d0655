"use strict";
// What a reader can do: choose a run, sort and filter tables, look closer, light or dark.

const at = (id) => document.getElementById(id);
const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

// --- charts ---------------------------------------------------------------------------

const state = { mode: null, sampled: null, told: null, zoom: null };
const drawn = new Map();
let ready = false; // until all is chosen, nothing is drawn

const draw = (id) => {
  if (!ready) return;
  const chart = CHARTS[id](state);
  const figure = document.querySelector(`[data-chart="${id}"]`);
  figure.hidden = !chart;
  drawn.get(id)?.dispose();
  drawn.delete(id);
  if (!chart) return;
  const place = at(id);
  place.style.height = `${chart.height}px`;
  const made = echarts.init(place, null, { renderer: "canvas" });
  made.setOption(chart.option);
  place.setAttribute("role", "img");
  if (chart.click) {
    made.on("click", (event) => {
      state.zoom = chart.click(event);
      draw(id);
    });
  }
  drawn.set(id, made);
};
const drawAll = () => Object.keys(CHARTS).forEach(draw);

new ResizeObserver(() => drawn.forEach((chart) => chart.resize()))
  .observe(document.querySelector("main"));

// --- tables ---------------------------------------------------------------------------

const sortable = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const key = ({ cells }, i, numeric) => {
    if (!numeric) return cells[i].textContent;
    return "value" in cells[i].dataset ? parseFloat(cells[i].dataset.value) : "";
  };
  heads.forEach((head, i) => head.firstElementChild.addEventListener("click", () => {
    const numeric = [...body.rows].some((row) => "value" in row.cells[i].dataset);
    const now = head.getAttribute("aria-sort");
    const down = now ? now === "ascending" : numeric;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [key(row, i, numeric), row]);
    rows.sort(([a], [b]) => {
      // What is not known comes last in either direction.
      if (a === "" || b === "") return (a === "") - (b === "");
      const less = numeric ? a - b
        : a.localeCompare(b, "en", { numeric: true });
      return down ? -less : less;
    });
    body.append(...rows.map(([, row]) => row));
  }));
};

const long = ["name", "part", "computes"]; // columns whose text may be broken

// Columns are [head, text or number of a row, how to write the number].
const tableOf = (caption, columns, rows) => {
  const used = columns.filter(([, get]) => rows.some((row) => (get(row) ?? "") !== ""));
  const head = element("tr", {}, ...used.map(([name, , write]) =>
    element("th", { scope: "col", ...(write ? { class: "n" } : {}) },
      element("button", { type: "button" }, name))));
  const body = element("tbody", {}, ...rows.map((row) =>
    element("tr", {}, ...used.map(([name, get, write]) => {
      const value = get(row) ?? "";
      return write
        ? element("td", { class: "n", ...(value === "" ? {} : { "data-value": value }) },
          value === "" ? "" : write(value))
        : element("td", long.includes(name) ? { class: "name" } : {}, value);
    }))));
  const table = element("table", { class: "sortable" },
    element("caption", {}, caption), element("thead", {}, head), body);
  sortable(table);
  const group = { class: "scroll", tabindex: "0", role: "group", "aria-label": caption };
  return element("div", group, table);
};

const percent = (value) => `${(100 * value).toFixed(1)} %`;

const showFigures = ({ summary: s }) => {
  const around = (value, ends) => known(value, () =>
    `${seconds(value)} (${ends.map(seconds).join(" to ")})`);
  const figures = s ? [
    ["samples", s.n.toLocaleString("en-US")],
    ["min", seconds(s.min)],
    ["median", around(s.median, s.median_interval)],
    ["mean", seconds(s.mean)],
    ["interquartile range", seconds(s.iqr)],
    ["p90", around(s.p90, s.p90_interval)],
    ["p95", around(s.p95, s.p95_interval)],
    ["p99", around(s.p99, s.p99_interval)],
    ["second half over first", `${s.drift.toFixed(4)} (p ${s.drift_p < 0.001 ? "< 0.001" : `= ${digits(s.drift_p, 2)}`})`],
  ] : [];
  at("figures").replaceChildren(...figures.filter(([, text]) => text).map(
    ([name, text]) => element("div", {}, element("dt", {}, name), element("dd", {}, text))));
};

const showParts = ({ breakdown }) => {
  const whole = breakdown.operator_sum;
  at("parts").replaceChildren(tableOf("Parts of the network and their time", [
    ["part", (c) => c.path],
    ["what", (c) => [c.kind, c.label].filter(Boolean).join(", ")],
    ["time", (c) => c.seconds, seconds],
    ["share", (c) => (whole ? c.seconds / whole : null), percent],
    ["of the attainable", (c) => (c.attainable && c.seconds
      ? c.attainable / c.seconds : null), percent],
    ["attainable in", (c) => c.attainable, seconds],
    ["MACs", (c) => c.macs, (n) => scaled(n)],
    ["bytes", (c) => c.bytes, (n) => scaled(n, "B")],
    ["MACs/byte", (c) => (c.macs && c.bytes ? c.macs / c.bytes : null),
      (n) => digits(n)],
    ["in the spec", (c) => c.pointer],
  ], breakdown.charges));
  at("above").hidden = !breakdown.charges.some((c) => c.attainable > c.seconds);
};

const showOperators = ({ breakdown }) => {
  const whole = breakdown.operator_sum;
  at("table").replaceChildren(tableOf("Operators as the engine ran them", [
    ["name", (o) => o.name],
    ["type", (o) => o.kind],
    ["part", placeOf],
    ["role", (o) => o.role],
    ["time", (o) => o.seconds, seconds],
    ["share", (o) => (whole ? o.seconds / whole : null), percent],
    ["MACs", (o) => o.macs, (n) => scaled(n)],
    ["bytes", (o) => o.bytes, (n) => scaled(n, "B")],
    ["computes", (o) => o.nodes.join(", ")],
  ], breakdown.operators));
  filter();
};

const filter = () => {
  const words = at("filter").value.trim().toLowerCase();
  const rows = [...at("table").querySelectorAll("tbody tr")];
  rows.forEach((row) => {
    row.hidden = !row.textContent.toLowerCase().includes(words);
  });
  const left = rows.filter((row) => !row.hidden).length;
  at("shown").textContent = words ? `${left} of ${rows.length} operators` : "";
};

// --- choices --------------------------------------------------------------------------

const choose = (select, runs, chosen) => {
  select.append(...runs.map((run, i) => element("option", { value: i }, run.title)));
  select.addEventListener("change", () => chosen(runs[select.value]));
  if (runs.length) chosen(runs[0]);
  else select.closest("section").hidden = true;
};

const chooseMode = () => {
  const modes = [...new Set(RUNS.filter((run) => run.summary).map((run) => run.mode))];
  const selects = [...document.querySelectorAll("select.mode")];
  for (const select of selects) {
    select.append(...modes.map((mode) => element("option", {}, mode)));
    select.closest("label").hidden = modes.length < 2;
    select.addEventListener("change", () => {
      state.mode = select.value;
      selects.forEach((other) => { other.value = select.value; });
      ["medians", "load", "trend"].forEach(draw);
    });
  }
  state.mode = modes[0];
};

// --- light and dark -------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");
let chosen = null; // by the reader; until then the system says
const theme = (name) => {
  document.documentElement.dataset.theme = name;
  document.documentElement.style.colorScheme = name;
  at("theme").textContent = name === "dark" ? "Light" : "Dark";
  at("theme").setAttribute("aria-label", `Use ${name === "dark" ? "light" : "dark"} colours`);
  drawAll();
};
const wanted = () => chosen || (dark.matches ? "dark" : "light");
at("theme").addEventListener("click", () => {
  chosen = wanted() === "dark" ? "light" : "dark";
  theme(chosen);
});
dark.addEventListener("change", () => theme(wanted()));
const printing = matchMedia("print");
printing.addEventListener("change", () => theme(printing.matches ? "light" : wanted()));

// --- begin ----------------------------------------------------------------------------

document.querySelectorAll("table.sortable").forEach(sortable);
at("comparison").hidden = DATA.length < 2;
at("filter").addEventListener("input", filter);
at("out").addEventListener("click", () => {
  state.zoom = null;
  draw("icicle");
});
chooseMode();
choose(at("sampled"), RUNS.filter((run) => run.samples?.took.length), (run) => {
  state.sampled = run;
  showFigures(run);
  ["distribution", "order"].forEach(draw);
});
choose(at("told"), RUNS.filter((run) => run.breakdown), (run) => {
  Object.assign(state, { told: run, zoom: null });
  const { source, coverage, operator_sum: sum } = run.breakdown;
  at("coverage").textContent =
    `${source}: operators take ${seconds(sum)} under the profiler, `
    + `${share(coverage, 1)} of it charged to a part of the network. `
    + known(run.summary, (s) => `The median without the profiler is ${seconds(s.median)}. `)
    + known(run.ceilings, (c) => `One call takes ${seconds(c.launch)} at least.`);
  ["icicle", "network", "roofline"].forEach(draw);
  showParts(run);
  showOperators(run);
});
at("operators").hidden = at("where").hidden;
for (const link of document.querySelectorAll("nav a")) {
  link.hidden = at(link.hash.slice(1)).hidden;
}
ready = true;
theme(wanted());
