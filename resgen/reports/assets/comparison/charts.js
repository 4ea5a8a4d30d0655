"use strict";
// Where the time goes on both sides, and the pairs that the verdict rests on.

const DATA = JSON.parse(document.getElementById("data").textContent);
const state = {};

const CHARTS = {
  parts() {
    const { parts, names } = DATA;
    if (!parts.length) return null;
    const bars = (name, key, i) => ({ name, type: "bar", color: category(i),
      data: parts.map((part) => part[key]), barGap: "10%" });
    return {
      height: 72 + 42 * parts.length,
      option: base(`Operator time by part: ${parts.map((p) =>
        `${p.path} ${seconds(p.first)} and ${seconds(p.second)}`).join("; ")}.`, {
        legend: legend(),
        tooltip: { formatter: ({ dataIndex }) => {
          const part = parts[dataIndex];
          return lines(part.path, `A ${seconds(part.first)}`, `B ${seconds(part.second)}`,
            `noise ${seconds(part.noise)}`);
        } },
        grid: { left: 8, right: 24, top: 36, bottom: 4, containLabel: true },
        xAxis: time({ min: 0 }),
        yAxis: axis({ type: "category", inverse: true, data: parts.map((p) => p.path) }),
        series: [bars(`${names[0]} (A)`, "first", 0), bars(`${names[1]} (B)`, "second", 1)],
      }),
    };
  },

  pairs() {
    const { pairs, alike, interval } = DATA;
    if (!pairs.length) return null;
    const dots = (name, rows, i) => ({ name, type: "scatter", symbolSize: 10,
      itemStyle: { color: i ? category(i) : "transparent", borderColor: category(i),
        borderWidth: 2 },
      data: rows.map((pair, at) => [at + 1, pair.ratio, pair.first, pair.second]) });
    const line = (value, type) => ({ yAxis: value, lineStyle: { type } });
    const marks = [line(1, "solid"), ...(interval || []).map((end) => line(end, "dashed"))];
    return {
      height: 300,
      option: base(`Ratios of ${pairs.length} pairs: ${pairs.map((pair) =>
        pair.ratio.toFixed(3)).join(", ")}.`, {
        legend: legend(),
        tooltip: { formatter: ({ seriesName, value }) => lines(`pair ${value[0]}`,
          seriesName, `${value[1].toFixed(3)}x`,
          `${seconds(value[2])} and ${seconds(value[3])}`) },
        grid: { left: 60, right: 24, top: 40, bottom: 44 },
        xAxis: axis({ type: "value", name: "pair", minInterval: 1, min: 0,
          max: Math.max(pairs.length, alike.length) + 1 }),
        yAxis: axis({ type: "value", scale: true, axisLabel: { formatter: "{value}x" } }),
        series: [
          { ...dots("B over A", pairs, 1), markLine: { silent: true, symbol: "none",
            label: { show: false }, data: marks, lineStyle: { color: css("--soft") } } },
          ...(alike.length ? [dots("A over A", alike, 0)] : []),
        ],
      }),
    };
  },
};

at("where").hidden = !DATA.parts.length;
begin();
