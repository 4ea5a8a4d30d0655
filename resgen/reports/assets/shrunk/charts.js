"use strict";
// Widths before and after, and what is lost with a part of each layer.

const DATA = JSON.parse(document.getElementById("data").textContent);
const state = {};
const bars = (description, series, more) => ({
  height: 72 + 28 * DATA.layers.length,
  option: base(description, {
    legend: legend(),
    tooltip: { trigger: "axis" },
    grid: { left: 8, right: 24, top: 36, bottom: 4, containLabel: true },
    xAxis: axis({ type: "value", min: 0, ...more }),
    yAxis: axis({ type: "category", inverse: true,
      data: DATA.layers.map((layer) => layer.name) }),
    series: series.map(([name, get], i) => ({ name, type: "bar", barGap: "10%",
      color: category(i), data: DATA.layers.map(get) })),
  }),
});

const CHARTS = {
  widths() {
    if (!DATA.layers.length) return null;
    return bars(`Channels before and after: ${DATA.layers.map((layer) =>
      `${layer.name} ${layer.before} and ${layer.after}`).join("; ")}.`,
    [["before", (layer) => layer.before], ["after", (layer) => layer.after]], {});
  },

  losses() {
    if (!DATA.layers.some((layer) => layer[DATA.lost].length)) return null;
    const parts = ["least 25 %", "least 50 %", "least 75 %"];
    return bars(`What is lost with a part of each layer alone: ${DATA.layers.map(
      (layer) => `${layer.name} ${layer[DATA.lost].map(figure).join(", ")}`).join("; ")}.`,
    parts.map((part, i) => [part, (layer) => layer[DATA.lost][i]]), { min: null });
  },
};

begin();
