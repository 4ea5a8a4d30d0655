"use strict";
// Score over multiply-adds, and the budget.

const DATA = JSON.parse(document.getElementById("data").textContent);
const state = {};

const CHARTS = {
  search() {
    const { points, winners, score, macs } = DATA;
    const dots = (name, data, i, symbolSize) => ({
      name, type: "scatter", color: category(i), symbolSize, data });
    const bound = macs === null ? {} : { markLine: { silent: true, symbol: "none",
      precision: 9, label: { show: false }, data: [{ xAxis: macs }],
      lineStyle: { type: "dashed", color: css("--soft") } } };
    return {
      height: 420,
      option: base(`The ${score} of ${points.length} candidates over MACs.`, {
        legend: legend(),
        tooltip: { formatter: ({ value }) => lines(value[2] || "a candidate",
          `${score} ${figure(value[1])}`, scaled(value[0], "MACs")) },
        grid: { left: 80, right: 24, top: 40, bottom: 44 },
        xAxis: axis({ type: "log", name: "MACs",
          axisLabel: { formatter: (n) => scaled(n) } }),
        yAxis: axis({ type: "value", scale: true,
          axisLabel: { formatter: (n) => figure(n) } }),
        series: [
          { ...dots("candidates", points, 0, 4), ...bound },
          dots("the best", winners, 1, 12),
        ],
      }),
    };
  },
};

begin();
