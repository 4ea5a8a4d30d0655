"use strict";
// Accuracy over latency, and the budget.

const DATA = JSON.parse(document.getElementById("data").textContent);
const state = {};

const CHARTS = {
  choice() {
    const { points, budget } = DATA;
    const dots = (name, front, i) => ({ name, type: "scatter", color: category(i),
      symbolSize: front ? 11 : 7,
      data: points.filter((p) => p.front === front).map((p) => ({
        value: [p.latency, p.top1, p.name, p.weights, p.measured],
        itemStyle: { color: p.measured ? category(i) : "transparent",
          borderColor: category(i), borderWidth: 2 } })) });
    return {
      height: 420,
      option: base(`Accuracy over latency of ${points.length} networks.`, {
        legend: legend(),
        tooltip: { formatter: ({ value }) => lines(value[2], value[3],
          `${value[1].toFixed(1)} %`,
          `${seconds(value[0])}${value[4] ? "" : ", predicted"}`) },
        grid: { left: 60, right: 24, top: 40, bottom: 44 },
        xAxis: axis({ type: "log", name: "latency", axisLabel: { formatter: seconds } }),
        yAxis: axis({ type: "value", scale: true, axisLabel: { formatter: "{value} %" } }),
        series: [
          { ...dots("the front", true, 1), markLine: { silent: true, symbol: "none",
            precision: 9, label: { show: false }, data: [{ xAxis: budget }],
            lineStyle: { type: "dashed", color: css("--soft") } } },
          dots("all others", false, 0),
        ],
      }),
    };
  },
};

begin();
