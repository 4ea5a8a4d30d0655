"use strict";
// What a reader can do: choose a step, and a network whose sums to see.

const state = { step: null, summed: null };

const summing = ARMS.filter((arm) => DATA.steps.some((step) =>
  arm.depth[step]?.branch && arm.depth[step].shortcut));
choose(at("step"), DATA.steps.map((step) =>
  ({ step, title: step ? step.toLocaleString("en-US") : "0, as initialised" })), ({ step }) => {
  state.step = step;
  drawAll();
});
at("step").closest("label").hidden = DATA.steps.length < 2;
choose(at("summed"), summing, (arm) => {
  state.summed = arm;
  draw("sums");
});
at("summed").closest("label").hidden = summing.length < 2;
at("paths").hidden = !ARMS.some((arm) => arm.lengths);
at("training").hidden = !ARMS.some((arm) => arm.loss.length || arm.accuracy.length
  || arm.range || arm.time.some(({ points }) => points.length > 1));
at("width").textContent = DATA.width > 1 ? `, mean of ${DATA.width} steps` : "";
begin();
