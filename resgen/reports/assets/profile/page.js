"use strict";
// What a reader can do: choose a run, filter operators, look closer.

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

const state = { mode: null, sampled: null, told: null, zoom: null };

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

// --- begin ----------------------------------------------------------------------------

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
begin();
