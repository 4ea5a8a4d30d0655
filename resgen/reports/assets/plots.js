"use strict";
// How charts look and are drawn; each page has its own CHARTS and state.

const css = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const category = (i) => (i < 0 ? css("--c6") : css(`--c${i % 6}`));
// cividis (Nuñez, Anderton and Renslow, 2018): even and safe for colour-blind readers.
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678",
  "#a59c74", "#c3b369", "#e1cc55", "#fee838"];

const axis = (more) => ({
  axisLine: { lineStyle: { color: css("--line") } },
  axisLabel: { color: css("--soft"), hideOverlap: true, ...more.axisLabel },
  splitLine: { show: more.type !== "category", lineStyle: { color: css("--line") } },
  nameTextStyle: { color: css("--soft") },
  nameLocation: "middle",
  nameGap: 30,
  ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== "axisLabel")),
});
const time = (more) => axis({ type: "value", axisLabel: { formatter: seconds }, ...more });

const base = (description, more) => ({
  animation: false,
  aria: { enabled: true, label: { description } },
  textStyle: { fontFamily: "system-ui, sans-serif", color: css("--text") },
  grid: { left: 64, right: 24, top: 28, bottom: 44 },
  tooltip: {
    confine: true,
    backgroundColor: css("--raised"),
    borderColor: css("--line"),
    textStyle: { color: css("--text"), fontSize: 13 },
    ...more.tooltip,
  },
  ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== "tooltip")),
});
const legend = () => ({ type: "plain", top: 0, textStyle: { color: css("--soft") } });

// A bar from the low to the high end, across the axis of the other coordinate.
const whiskers = (data, color, horizontal) => ({
  type: "custom",
  silent: true,
  data,
  encode: horizontal ? { x: [1, 2], y: 0 } : { x: 0, y: [1, 2] },
  renderItem: (_, api) => {
    const end = (i) => api.coord(horizontal
      ? [api.value(i), api.value(0)] : [api.value(0), api.value(i)]);
    const [a, b] = [end(1), end(2)];
    const line = (p, q) => ({
      type: "line",
      shape: { x1: p[0], y1: p[1], x2: q[0], y2: q[1] },
      style: { stroke: color, lineWidth: 2 },
    });
    const cap = ([x, y]) => (horizontal
      ? line([x, y - 5], [x, y + 5]) : line([x - 5, y], [x + 5, y]));
    return { type: "group", children: [line(a, b), cap(a), cap(b)] };
  },
});

// Networks from input to output, a row each: boxes coloured by a value, each
// { section, width, height (0 to 1), value, over (a shortcut leads over it) }.
// Colours go from the first of ends to the second, which texts name.
const strip = (description, rows, { ends, texts, tip }) => {
  const room = rows.length > 1 ? 124 : 172; // of a row, in pixels
  const placed = [], spans = [];
  let widest = 0;
  rows.forEach(({ boxes }, row) => {
    let right = 0, before = null;
    boxes.forEach((box, i) => {
      const left = right + (box.section === before ? 6 : 22);
      right = left + box.width;
      placed.push([left, right, row, box.value ?? NaN, i]);
      if (box.section === before) spans[spans.length - 1][1] = right;
      else spans.push([left, right, row, box.section]);
      before = box.section;
    });
    widest = Math.max(widest, right);
  });
  const across = (api) => {
    const [left, y] = api.coord([api.value(0), api.value(2) + 0.5]);
    return [left, api.coord([api.value(1), 0])[0], y];
  };
  const draw = (params, api) => {
    const [left, right, y] = across(api);
    const { value, height, over } = rows[api.value(2)].boxes[api.value(4)];
    const tall = (room - (rows.length > 1 ? 64 : 42)) * height;
    const box = {
      type: "rect",
      style: { fill: known(value, () => api.visual("color")) || css("--raised"),
        stroke: css("--soft"), lineWidth: 0.7 },
      emphasis: { style: { stroke: css("--accent"), lineWidth: 2.5 } },
      shape: { x: left, y: y - tall / 2, width: right - left, height: tall, r: 2 },
    };
    const bow = {
      type: "bezierCurve",
      silent: true,
      style: { stroke: css("--soft"), lineWidth: 1.2, fill: "none" },
      shape: { x1: left - 2, y1: y, x2: right + 2, y2: y, cpx1: left - 3,
        cpy1: y - tall, cpx2: right + 3, cpy2: y - tall },
    };
    return { type: "group", children: over ? [bow, box] : [box] };
  };
  const flow = (params, api) => {
    const [left, right, y] = across(api);
    return { type: "line", style: { stroke: css("--soft"), lineWidth: 1.4 },
      shape: { x1: left, y1: y, x2: right, y2: y } };
  };
  const words = (text, x, y, more) => ({ type: "text",
    style: { text, x, y, fill: css("--soft"), fontSize: 12, overflow: "truncate", ...more } });
  const name = (params, api) => {
    const [left, right, y] = across(api);
    return words(spans[params.dataIndex][3], (left + right) / 2, y + room / 2 - 18,
      { align: "center", width: Math.max(right - left + 18, 34) });
  };
  const title = (params, api) => {
    const [left, , y] = across(api);
    return words(rows[params.dataIndex].name || "", left, y - room / 2 + 2,
      { fill: css("--text"), width: 600 });
  };
  return {
    height: room * rows.length + 56,
    option: base(description, {
      tooltip: { formatter: ({ value }) => tip(value[2], value[4]) },
      grid: { left: 12, right: 12, top: 0, bottom: 56 },
      xAxis: { type: "value", min: 0, max: widest + 22, show: false },
      yAxis: { type: "value", min: 0, max: rows.length, inverse: true, show: false },
      visualMap: { type: "continuous", seriesIndex: 1, dimension: 3,
        min: ends[0], max: ends[1], inRange: { color: CIVIDIS }, orient: "horizontal",
        left: "center", bottom: 0, itemWidth: 12, itemHeight: 220,
        text: [texts[1], texts[0]], textStyle: { color: css("--soft") } },
      series: [
        { type: "custom", silent: true, renderItem: flow,
          data: rows.map((_, row) => [4, widest + 18, row]) },
        { type: "custom", renderItem: draw, data: placed, encode: { x: [0, 1], y: 2 } },
        { type: "custom", silent: true, renderItem: name,
          data: spans.map((span) => span.slice(0, 3)) },
        { type: "custom", silent: true, renderItem: title,
          data: rows.map((_, row) => [4, widest, row]) },
      ],
    }),
  };
};

// --- charts ---------------------------------------------------------------------------

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
      Object.assign(state, chart.click(event));
      draw(id);
    });
  }
  drawn.set(id, made);
};
const drawAll = () => Object.keys(CHARTS).forEach(draw);

new ResizeObserver(() => drawn.forEach((chart) => chart.resize()))
  .observe(document.querySelector("main"));

