"use strict";
// A function a chart, from runs to what is drawn and its words.

const CHARTS = {
  medians({ mode }) {
    const runs = RUNS.filter((run) => run.summary && run.mode === mode);
    if (runs.length < 2) return null;
    const rows = runs.map((run, i) => [run.summary.median, i]);
    const tails = runs.flatMap((run, i) => (run.summary.p95 ? [[run.summary.p95, i]] : []));
    const medians = rows.map((row) => row[0]);
    const wide = Math.max(...medians) > 5 * Math.min(...medians);
    const tip = ({ value }) => {
      const { title, summary: s } = runs[value[1]];
      return lines(title, `median ${seconds(s.median)}`,
        `95 % interval ${s.median_interval.map(seconds).join(" to ")}`,
        s.p95 && `p95 ${seconds(s.p95)}`, `${s.n.toLocaleString("en-US")} samples`);
    };
    return {
      height: 40 + 30 * runs.length,
      option: base(`${mode}, medians: ${runs.map((run) =>
        `${run.title} ${seconds(run.summary.median)}`).join("; ")}.`, {
        tooltip: { formatter: tip },
        grid: { left: 8, right: 24, top: 8, bottom: 4, containLabel: true },
        xAxis: wide ? time({ type: "log" }) : time({ min: 0 }),
        yAxis: axis({ type: "category", inverse: true, data: runs.map((run) => run.title),
          axisLabel: { width: Math.min(460, 0.4 * innerWidth), overflow: "truncate" } }),
        series: [
          whiskers(runs.map((run, i) => [i, ...run.summary.median_interval]),
            css("--c0"), true),
          { type: "scatter", data: rows, symbolSize: 9, color: css("--c0") },
          { type: "scatter", data: tails, symbol: "emptyCircle", symbolSize: 10,
            color: css("--c1") },
        ],
      }),
    };
  },

  load({ mode }) {
    const groups = new Map();
    for (const run of RUNS.filter((r) => r.summary && r.mode === mode)) {
      const name = run.title.replace(` · batch ${run.batch} · ${run.mode}`, "");
      const rate = run.throughput || run.batch / run.summary.median;
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push({
        value: [rate, run.summary.median, run.batch, run.summary.p95],
        ...(run.knee && { knee: true, symbolSize: 16,
          itemStyle: { borderColor: css("--text"), borderWidth: 2 } }),
      });
    }
    if (![...groups.values()].some((line) => line.length > 1)) return null;
    const series = [...groups].map(([name, line], i) => ({
      name,
      type: "line",
      data: line.sort((a, b) => a.value[2] - b.value[2]),
      color: category(i),
      symbol: ["circle", "rect", "triangle", "diamond"][i % 4],
      symbolSize: 9,
      label: { show: true, position: "top", color: css("--soft"),
        formatter: ({ value, data }) => `${value[2]}${data.knee ? " (knee)" : ""}` },
    }));
    return {
      height: 340,
      option: base(`${mode}: throughput against latency of ${[...groups].map(([name, line]) =>
        name + line.filter((p) => p.knee).map((p) => `, knee at batch ${p.value[2]}`)
      ).join("; ")}.`, {
        legend: legend(),
        tooltip: { formatter: ({ seriesName, value, data }) => lines(seriesName,
          `batch ${value[2]}${data.knee ? ", the knee" : ""}`, `${scaled(value[0])} inputs a second`,
          `median ${seconds(value[1])}`, value[3] && `p95 ${seconds(value[3])}`) },
        grid: { left: 76, right: 32, top: 48, bottom: 48 },
        xAxis: axis({ type: "value", name: "inputs a second",
          axisLabel: { formatter: (v) => scaled(v) } }),
        yAxis: time({ name: "median of a batch", nameGap: 58, min: 0 }),
        series,
      }),
    };
  },

  trend({ mode }) {
    if (DATA.length < 2) return null;
    const names = [...new Set(RUNS.filter((run) => run.summary && run.mode === mode)
      .map((run) => run.row))];
    const series = names.flatMap((name, i) => {
      const runs = RUNS.filter((run) => run.summary && run.row === name);
      if (runs.length < 2) return [];
      const first = runs[0].summary.median;
      return [
        { name, type: "line", color: category(i), symbolSize: 8,
          symbol: ["circle", "rect", "triangle", "diamond"][i % 4],
          data: runs.map((run) => [run.number, run.summary.median / first,
            run.summary.median, ...run.summary.median_interval]) },
        { name, ...whiskers(runs.map((run) => [run.number,
          ...run.summary.median_interval.map((end) => end / first)]), category(i), false) },
      ];
    });
    if (!series.length) return null;
    const results = DATA.map((r) => r.title.replaceAll(" ", "\n"));
    return {
      height: 340,
      option: base(`${mode}: medians relative to the first result.`, {
        legend: legend(),
        tooltip: { formatter: ({ seriesName, value }) => lines(
          DATA[value[0]].title, seriesName,
          `median ${seconds(value[2])}, ${value[1].toFixed(3)} of the first`,
          `95 % interval ${value.slice(3).map(seconds).join(" to ")}`) },
        grid: { left: 60, right: 40, top: 56, bottom: 44 },
        xAxis: axis({ type: "category", data: results, axisLabel: { lineHeight: 15 } }),
        yAxis: axis({ type: "value", scale: true, axisLabel: { formatter: "{value}x" } }),
        series,
      }),
    };
  },

  distribution({ sampled }) {
    if (!sampled) return null;
    const { bins, beyond, highest } = histogram(points(sampled.samples).map((p) => p[1]));
    const marks = ["median", "p95", "p99"].filter((name) => sampled.summary?.[name])
      .map((name, i) => ({ name, xAxis: sampled.summary[name],
        label: { distance: [4, 18, 4][i] } }))
      .filter((mark) => mark.xAxis <= bins[bins.length - 1][1]);
    const n = sampled.samples.took.length;
    const bar = (_, api) => {
      const [left, top] = api.coord([api.value(0), api.value(2)]);
      const [right, bottom] = api.coord([api.value(1), 0]);
      return { type: "rect", style: { fill: css("--c0") },
        shape: { x: left, y: top, width: Math.max(right - left - 1, 1), height: bottom - top } };
    };
    const more = beyond ? `the last bar holds ${beyond} beyond it, up to ${seconds(highest)}` : "";
    return {
      height: 300,
      option: base(`Histogram of ${n} samples of ${sampled.title}. ${more}`, {
        tooltip: { formatter: ({ value, dataIndex }) => lines(
          `${value[2]} of ${n} samples`, value.slice(0, 2).map(seconds).join(" to "),
          dataIndex === bins.length - 1 && more) },
        grid: { left: 56, right: 24, top: 40, bottom: 44 },
        xAxis: time({ min: bins[0][0], max: bins[bins.length - 1][1], name: more,
          axisLabel: { formatter: seconds, showMinLabel: false, showMaxLabel: false } }),
        yAxis: axis({ type: "value", minInterval: 1 }),
        series: [
          { type: "custom", data: bins, renderItem: bar, encode: { x: [0, 1], y: 2 } },
          { type: "line", data: [], markLine: { silent: true, symbol: "none", data: marks,
            precision: 15,
            label: { formatter: ({ name }) => name, color: css("--text"), rotate: 0 },
            lineStyle: { color: css("--c1"), width: 1.5 } } },
        ],
      }),
    };
  },

  order({ sampled }) {
    if (!sampled) return null;
    const median = sampled.summary?.median;
    return {
      height: 300,
      option: base(`${sampled.samples.took.length} samples of ${sampled.title} over time.`, {
        tooltip: { formatter: ({ value }) => lines(seconds(value[1]),
          `began after ${seconds(value[0])}`) },
        grid: { left: 72, right: 56, top: 16, bottom: 44 },
        xAxis: time({ name: "since the first sample (shift and wheel: zoom)" }),
        yAxis: time({ scale: true }),
        dataZoom: [{ type: "inside", xAxisIndex: 0, zoomOnMouseWheel: "shift",
          moveOnMouseMove: true, moveOnMouseWheel: false, filterMode: "none",
          preventDefaultMouseMove: false }],
        series: [{ type: "scatter", data: points(sampled.samples), symbolSize: 4,
          large: true, largeThreshold: 4000, color: css("--c0"),
          itemStyle: { opacity: 0.55 },
          markLine: median ? { silent: true, symbol: "none", precision: 15,
            data: [{ yAxis: median }],
            label: { formatter: "median", color: css("--text") },
            lineStyle: { color: css("--c1"), width: 1.5 } } : undefined }],
      }),
    };
  },

  icicle({ told, zoom }) {
    if (!told) return null;
    const items = rectangles(told.breakdown, told.record.parts);
    const whole = items[0][2];
    const [low, high] = zoom || [0, whole];
    const rectangle = (params, api) => {
      const level = api.value(0), box = params.coordSys;
      const [left, middle] = api.coord([Math.max(api.value(1), low), level]);
      const [right] = api.coord([Math.min(api.value(2), high), level]);
      const height = api.size([0, 1])[1];
      const width = Math.max(right - left, 0);
      if (width < 0.2 || left > box.x + box.width) return null;
      const item = items[params.dataIndex];
      return {
        type: "rect",
        shape: { x: left, y: middle - height / 2 + 1, width, height: height - 2 },
        style: { fill: category(item[4]), opacity: [0.3, 0.62, 0.42, 0.26][level],
          stroke: css("--back"), lineWidth: width > 3 ? 1 : 0 },
        emphasis: { style: { opacity: 0.9 } },
        textConfig: { position: "insideLeft", distance: 4 },
        textContent: width < Math.min(34, 8 + 8 * item[6].length) ? undefined : { style: { text: item[6], width: width - 6,
          overflow: "truncate", fill: css("--text"), fontSize: 12 } },
      };
    };
    return {
      height: 220,
      option: base(`Time of ${told.title} by stage, block and operator; the tables below hold the same.`, {
        tooltip: { formatter: ({ dataIndex }) => {
          const [, from, to, name, , what] = items[dataIndex];
          return lines(name, what, `${seconds(to - from)}, ${share(to - from, whole)}`);
        } },
        grid: { left: 8, right: 16, top: 4, bottom: 4, containLabel: true },
        xAxis: time({ min: low, max: high, splitLine: { show: false },
          axisLabel: { formatter: seconds, showMaxLabel: false } }),
        yAxis: axis({ type: "category", inverse: true, axisTick: { show: false },
          data: ["all", "stage", "block", "operator"] }),
        series: [{ type: "custom", renderItem: rectangle, clip: true,
          data: items.map((item) => item.slice(0, 3)), encode: { x: [1, 2], y: 0 } }],
      }),
      click: ({ dataIndex }) => {
        const [level, from, to] = items[dataIndex];
        return { zoom: level === 0 ? null : [from, to] };
      },
    };
  },

  network({ told }) {
    const parts = told ? told.record.parts : [];
    const shown = leaves(parts).filter((part) => part.output.length);
    if (!shown.length) return null;
    const took = new Map(told.breakdown.charges.map((c) => [c.path, c.seconds]));
    const side = ({ output }) =>
      output.slice(1).reduce((p, n) => p * n, 1) ** (1 / Math.max(output.length - 1, 1));
    const tallest = Math.log2(Math.max(...shown.map(side)) + 1);
    const boxes = shown.map((part) => ({
      section: (sectionOf(parts, part.path) || part).path,
      width: 4 + 2.6 * Math.log2(part.output[0] + 1),
      height: 0.16 + 0.84 * (Math.log2(side(part) + 1) / tallest),
      value: took.get(part.path) || 0,
    }));
    const sections = [...new Set(boxes.map((box) => box.section))];
    const most = Math.max(...boxes.map((box) => box.value));
    return strip(`The network of ${told.title}, coloured by time: ${sections.map((path) =>
      `${path} ${seconds(took.get(path) || 0)}`).join(", ")}.`, [{ boxes }], {
      ends: [0, most],
      texts: ["0", seconds(most)],
      tip: (_, i) => lines(shown[i].path, shown[i].label, shown[i].output.join(" × "),
        `${seconds(boxes[i].value)}, ${share(boxes[i].value, told.breakdown.operator_sum)}`),
    });
  },

  roofline({ told }) {
    const roof = told && told.ceilings;
    if (!roof) return null;
    const { charges, operator_sum: whole } = told.breakdown;
    const shown = leaves(charges).filter((c) => c.macs && c.bytes && c.seconds);
    if (!shown.length) return null;
    const places = shown.map((c) => [c.macs / c.bytes, c.macs / c.seconds, c.seconds]);
    const ridge = roof.compute_burst / roof.bandwidth_burst;
    const xs = [...places.map((p) => p[0]), ridge];
    const ends = [Math.min(...xs) / 3, Math.max(...xs) * 3];
    const line = (name, compute, bandwidth, type) => ({
      name, type: "line", symbol: "none", color: css("--c1"), lineStyle: { type, width: 2 },
      data: [ends[0], Math.min(Math.max(compute / bandwidth, ends[0]), ends[1]), ends[1]]
        .map((x) => [x, Math.min(compute, bandwidth * x)]),
    });
    return {
      height: 400,
      option: base(`Roofline of ${told.title}: ${shown.length} parts under ceilings of ${
        scaled(roof.compute_burst)} multiply-adds and ${scaled(roof.bandwidth_burst, "B")} a second.`, {
        legend: legend(),
        tooltip: { formatter: ({ seriesType, seriesName, dataIndex, value }) => {
          if (seriesType === "line") return lines(seriesName, `${scaled(value[1])} MACs a second`);
          const c = shown[dataIndex];
          return lines(c.path, c.label, `${seconds(c.seconds)}, ${share(c.seconds, whole)}`,
            `${scaled(value[1])} MACs a second`, `${digits(value[0])} MACs a byte`,
            c.attainable && `${share(c.attainable, c.seconds)} of the attainable`);
        } },
        grid: { left: 84, right: 32, top: 44, bottom: 52 },
        xAxis: axis({ type: "log", min: ends[0], max: ends[1], name: "multiply-adds a byte",
          axisLabel: { formatter: (v) => digits(v, 1), showMinLabel: false,
            showMaxLabel: false } }),
        yAxis: axis({ type: "log", name: "multiply-adds a second", nameGap: 62,
          axisLabel: { formatter: (v) => scaled(v) } }),
        series: [
          line("burst", roof.compute_burst, roof.bandwidth_burst, "solid"),
          line("sustained", roof.compute_sustained, roof.bandwidth_sustained, "dashed"),
          { name: "parts", type: "scatter", data: places, color: css("--c0"),
            itemStyle: { opacity: 0.65, borderColor: css("--back") },
            symbolSize: (p) => 7 + 50 * Math.sqrt(p[2] / whole) },
        ],
      }),
    };
  },
};
