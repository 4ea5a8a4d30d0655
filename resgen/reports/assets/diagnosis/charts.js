"use strict";
// A function a chart, from what was seen of each network to what is drawn and its words.

const DATA = JSON.parse(document.getElementById("data").textContent);
const ARMS = DATA.arms.map((arm, number) => ({ ...arm, number }));

const SHAPES = ["circle", "rect", "triangle", "diamond"];
const styled = ({ number, plain }) => ({
  color: category(number),
  symbol: SHAPES[number % 4],
  symbolSize: 4,
  showSymbol: true,
  lineStyle: { width: 2, type: plain ? "dashed" : "solid" },
});

// The area between low and high of rows [x, middle, low, high]; a gap where one is null.
const band = (rows, color) => {
  const pieces = [[]];
  for (const row of rows) {
    if (row[2] === null) pieces.push([]);
    else pieces[pieces.length - 1].push(row);
  }
  const drawn = pieces.filter((piece) => piece.length > 1);
  return {
    type: "custom",
    silent: true,
    color, // that of the legend, which asks the first series of a name
    tooltip: { show: false },
    data: drawn.flat().map(([x, , low, high]) => [x, low, high]),
    encode: { x: 0, y: [1, 2] },
    z: 1,
    renderItem: (params, api) => {
      if (params.dataIndex > 0) return null; // all of it at once, so there are no seams
      const shape = (piece) => ({
        points: [
          ...piece.map(([x, , low]) => api.coord([x, low])),
          ...piece.map(([x, , , high]) => api.coord([x, high])).reverse(),
        ],
      });
      return { type: "group", children: drawn.map((piece) => ({
        type: "polygon", shape: shape(piece), style: { fill: color, opacity: 0.16 } })) };
    },
  };
};

// Figures of any size need a logarithmic axis where they differ by much.
const isWide = (rows) => {
  const sizes = rows.flatMap((row) => row.slice(1)).filter((value) => value > 0);
  return Math.max(...sizes) > 10 * Math.min(...sizes);
};
const scale = (log, write, max) => axis({ type: log ? "log" : "value", max,
  ...(log ? {} : { min: ({ min }) => Math.min(min, 0) }), axisLabel: { formatter: write === figure ? tick : write } });
// What a logarithmic axis can show.
const positive = (row) => row.map((value, i) => (i && !(value > 0) ? null : value));
const shown = (rows, log) => (log ? rows.map(positive) : rows);
const curves = (name, rows, arm, log, more = {}) => {
  const points = shown(rows, log);
  const style = { ...styled(arm), ...more };
  return [
    ...(arm.seeds > 1 ? [{ name, ...band(points, style.color) }] : []),
    { name, type: "line", z: 2, connectNulls: false, data: points, ...style },
  ];
};
const ends = (low, high, write) => (low === high ? "" : ` (${write(low)} to ${write(high)})`);
const perCent = (value) => `${+(100 * value).toFixed(1)} %`;

// --- by depth -------------------------------------------------------------------------

// Networks of one depth share an axis of parts; others one from input to output.
const even = ARMS.every((arm) => arm.parts.length === ARMS[0].parts.length);
const placeAt = (arm, i) => (even ? i : i / Math.max(arm.parts.length - 1, 1));
const partAt = (arm, x) => arm.parts[even ? x : Math.round(x * (arm.parts.length - 1))];
const depthAxis = () => (even
  ? axis({ type: "value", min: 0, max: Math.max(ARMS[0].parts.length - 1, 1), minInterval: 1,
    splitLine: { show: false },
    axisLabel: { formatter: (i) => ARMS[0].parts[i]?.path ?? "" } })
  : axis({ type: "value", min: 0, max: 1, splitLine: { show: false },
    name: "share of the depth", axisLabel: { formatter: perCent } }));

const depth = (measure, name, { write = figure, max, linear = false } = {}) => ({ step }) => {
  const arms = ARMS.filter((arm) => arm.depth[step]?.[measure]);
  if (!arms.length) return null;
  const rows = arms.map((arm) =>
    arm.depth[step][measure].map((spread, i) => [placeAt(arm, i), ...spread]));
  const log = !linear && write === figure && isWide(rows.flat());
  const told = arms.map((arm, n) => {
    const known = rows[n].filter((row) => row[1] !== null).map((row) => row[1]);
    return `${arm.title} from ${write(known[0])} to ${write(known[known.length - 1])}`;
  });
  const tip = (params) => lines(name, ...params.filter((p) => p.seriesType === "line")
    .map(({ seriesName, value: [x, middle, low, high] }) => {
      const arm = ARMS.find(({ title }) => title === seriesName);
      return `${seriesName}, ${partAt(arm, x).path}: ${middle === null || middle === undefined
        ? "no finite number" : write(middle) + ends(low, high, write)}`;
    }));
  return {
    height: 300,
    option: base(`${name} by depth: ${told.join("; ")}.`, {
      legend: ARMS.length > 1 ? { ...legend(), data: arms.map((arm) => arm.title) } : undefined,
      tooltip: { trigger: "axis", formatter: tip },
      grid: { left: 64, right: 28, top: ARMS.length > 1 ? 36 : 16, bottom: even ? 32 : 48 },
      xAxis: depthAxis(),
      yAxis: scale(log, write, max),
      series: arms.flatMap((arm, n) => curves(arm.title, rows[n], arm, log)),
    }),
  };
};

// --- over time ------------------------------------------------------------------------

const steps = (more) => axis({ type: "value", name: "step", splitLine: { show: false },
  minInterval: 1, ...more });
const timeline = (name, series, { names, log = false, write = figure, max }) => ({
  height: 320,
  option: base(`${name}: ${names.join("; ")}.`, {
    legend: { ...legend(), data: names },
    tooltip: { trigger: "axis", formatter: (params) => lines(`step ${params[0].value[0]}`,
      ...params.filter((p) => p.seriesType === "line").map(({ seriesName, value }) =>
        `${seriesName}: ${known(value[1], (middle) =>
          write(middle) + ends(value[2], value[3], write)) || "no finite number"}`)) },
    grid: { left: 64, right: 28, top: 16 + 24 * Math.ceil(names.length / 2), bottom: 48 },
    xAxis: steps(),
    yAxis: scale(log, write, max),
    series,
  }),
});

const CHARTS = {
  network({ step }) {
    const arms = ARMS.filter((arm) => arm.depth[step]?.gradient);
    if (!arms.length) return null;
    const norm = (arm, i) => arm.depth[step].gradient[i][0];
    const rows = arms.map((arm) => ({
      name: arm.title,
      boxes: arm.parts.map((part, i) => ({
        section: part.section,
        width: part.kind === "block" ? 12 : 9,
        height: part.kind === "block" ? 1 : 0.6,
        value: norm(arm, i) > 0 ? Math.log10(norm(arm, i)) : null,
        over: (arm.depth[step].shortcut?.[i][0] ?? null) !== null,
      })),
    }));
    const values = rows.flatMap(({ boxes }) => boxes.map((box) => box.value))
      .filter((value) => value !== null);
    if (!values.length) return null;
    const low = Math.min(...values), high = Math.max(Math.max(...values), low + 1e-3);
    return strip(`The networks, coloured by gradient: ${arms.map((arm) => arm.title).join(", ")}.`, rows, {
      ends: [low, high],
      texts: [figure(10 ** low), figure(10 ** high)],
      tip: (row, i) => {
        const arm = arms[row], part = arm.parts[i];
        const told = (name, words) => known(arm.depth[step][name]?.[i][0], (value) =>
          `${words} ${figure(value)}`);
        return lines(`${arm.title}, ${part.path}`, part.label,
          told("gradient", "gradient") || "gradient not finite",
          told("variance", "variance"), told("gain", "gain"));
      },
    });
  },
  gradient: depth("gradient", "Gradient norm"),
  variance: depth("variance", "Variance of activations"),
  parameter_gradient: depth("parameter_gradient", "Norm of the parameters' gradient"),
  relative_gradient: depth("relative_gradient", "Gradient over weight"),
  gain: depth("gain", "Gain of the Jacobian"),
  correlation: depth("correlation", "Correlation of neighbours' gradients", { linear: true }),
  alike: depth("alike", "What inputs have in common", { write: perCent, max: 1 }),
  dead: depth("dead", "Dead channels", { write: perCent, max: 1 }),

  sums({ step, summed }) {
    const seen = summed?.depth[step];
    if (!seen?.branch || !seen.shortcut) return null;
    const rows = summed.parts.flatMap((part, i) => {
      const [branch] = seen.branch[i], [shortcut] = seen.shortcut[i];
      const whole = branch ** 2 + shortcut ** 2;
      if (branch === null || shortcut === null || !whole) return [];
      return [{ part, i, branch, shortcut, share: branch ** 2 / whole }];
    });
    if (!rows.length) return null;
    const gain = (name, i) => known(seen[name]?.[i][0], (value) => `, gain ${figure(value)}`);
    const bars = (name, color, get) => ({ name, type: "bar", stack: "sum", barCategoryGap: "20%",
      color: css(color), data: rows.map(get) });
    return {
      height: 300,
      option: base(`${summed.title}: the branch's share is ${rows.map((row) =>
        `${perCent(row.share)} in ${row.part.path}`).join(", ")}.`, {
        legend: legend(),
        tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, formatter: ([first]) => {
          const { part, i, branch, shortcut, share: portion } = rows[first.dataIndex];
          return lines(part.path, part.label,
            `branch ${perCent(portion)}: rms ${figure(branch)}${gain("branch_gain", i)}`,
            `shortcut ${perCent(1 - portion)}: rms ${figure(shortcut)}${gain("shortcut_gain", i)}`);
        } },
        grid: { left: 64, right: 28, top: 36, bottom: 32 },
        xAxis: axis({ type: "category", data: rows.map((row) => row.part.path) }),
        yAxis: axis({ type: "value", min: 0, max: 1, axisLabel: { formatter: perCent } }),
        series: [bars("branch", "--c1", (row) => row.share),
          bars("shortcut", "--c0", (row) => 1 - row.share)],
      }),
    };
  },

  lengths() {
    const arms = ARMS.filter((arm) => arm.lengths);
    if (!arms.length) return null;
    const most = Math.max(...arms.map((arm) => arm.lengths.paths.length));
    const peak = (shares) => shares.indexOf(Math.max(...shares));
    const named = (arm, words) => (arms.length > 1 ? `${arm.title}: ${words}` : words);
    return {
      height: 320,
      option: base(`Path lengths: ${arms.map(({ title, lengths: { paths, gradient } }) =>
        `${title}: most paths pass ${peak(paths)} branches, most of the gradient ${peak(gradient)}`)
        .join("; ")}.`, {
        legend: legend(),
        tooltip: { trigger: "axis", formatter: (params) => lines(
          `${params[0].axisValue} branches`, ...params.map(({ seriesName, value }) =>
            `${seriesName} ${known(value, perCent)}`)) },
        grid: { left: 64, right: 28, top: 16 + 24 * arms.length, bottom: 48 },
        xAxis: axis({ type: "category", name: "branches that a path passes",
          data: Array.from({ length: most }, (_, k) => k) }),
        yAxis: axis({ type: "value", min: 0, axisLabel: { formatter: perCent } }),
        series: arms.flatMap((arm) => [
          { name: named(arm, "paths"), type: "bar", color: category(arm.number),
            itemStyle: { opacity: 0.35 }, data: arm.lengths.paths },
          { name: named(arm, "gradient"), type: "line", data: arm.lengths.gradient,
            ...styled(arm) },
        ]),
      }),
    };
  },

  loss() {
    const arms = ARMS.filter((arm) => arm.loss.length);
    if (!arms.length) return null;
    const log = isWide(arms.flatMap((arm) => arm.loss));
    const series = arms.flatMap((arm) => curves(arm.title, arm.loss, arm, log,
      { showSymbol: false }));
    const lost = arms.filter((arm) => arm.left.length).map((arm) => ({
      type: "line", data: [], markLine: { silent: true, symbol: "none",
        data: arm.left.map(([, step]) => ({ xAxis: step })),
        label: { formatter: "not finite", color: css("--text") },
        lineStyle: { color: category(arm.number), type: "dotted", width: 1.5 } } }));
    return timeline("Training loss", [...series, ...lost],
      { log, names: arms.map((arm) => arm.title) });
  },

  accuracy() {
    const arms = ARMS.filter((arm) => arm.accuracy.length);
    if (!arms.length) return null;
    return timeline("Accuracy on held-back data",
      arms.flatMap((arm) => curves(arm.title, arm.accuracy, arm, false)),
      { names: arms.map((arm) => arm.title), write: perCent, max: 1 });
  },

  time() {
    const arms = ARMS.filter((arm) => arm.time.some(({ points }) => points.length > 1));
    if (!arms.length) return null;
    const told = arms.flatMap((arm) => arm.time.map((one, i) =>
      ({ arm, points: one.points, name: `${arm.title}, ${one.which} (${one.path})`,
        more: { symbol: SHAPES[i], showSymbol: one.points.length < 40,
          lineStyle: { width: [2.5, 1.5, 1][i], type: arm.plain ? "dashed" : "solid" } } })));
    const log = isWide(told.flatMap(({ points }) => points));
    return timeline("Gradient norm over time",
      told.flatMap(({ name, points, arm, more }) => curves(name, points, arm, log, more)),
      { log, names: told.map(({ name }) => name) });
  },

  range() {
    const arms = ARMS.filter((arm) => arm.range);
    if (!arms.length) return null;
    const near = ({ points }, rate) => points.reduce((best, point) =>
      (Math.abs(Math.log(point[0] / rate)) < Math.abs(Math.log(best[0] / rate)) ? point : best));
    const series = arms.flatMap(({ range, ...arm }) => {
      const marks = [[range.steepest, "circle", 10], [range.limit, "path://M0 0L8 8M8 0L0 8", 11]]
        .filter(([rate]) => rate !== null)
        .map(([rate, symbol, symbolSize]) => ({ value: [rate, near(range, rate)[1]], symbol, symbolSize,
          itemStyle: { borderColor: category(arm.number), borderWidth: 2 } }))
        .filter((mark) => mark.value[1] > 0);
      return [
        { name: arm.title, type: "line", connectNulls: false, data: shown(range.points, true),
          ...styled(arm), showSymbol: false },
        { name: arm.title, type: "scatter", z: 3, color: category(arm.number), data: marks },
      ];
    });
    const told = arms.map(({ title, range }) => `${title}: ${
      known(range.steepest, (rate) => `falls fastest at ${figure(rate)}`)}${
      known(range.limit, (rate) => `, diverges at ${figure(rate)}`)}`);
    return {
      height: 320,
      option: base(`Range test of the learning rate: ${told.join("; ")}.`, {
        legend: { ...legend(), data: arms.map((arm) => arm.title) },
        tooltip: { trigger: "axis", formatter: (params) => lines(
          `learning rate ${figure(params[0].value[0])}`,
          ...params.filter((p) => p.seriesType === "line").map(({ seriesName, value }) =>
            `${seriesName}: loss ${known(value[1], figure) || "not finite"}`), ...told) },
        grid: { left: 64, right: 28, top: 40, bottom: 48 },
        xAxis: axis({ type: "log", name: "learning rate", axisLabel: { formatter: tick } }),
        yAxis: axis({ type: "log", axisLabel: { formatter: tick } }),
        series,
      }),
    };
  },
};
