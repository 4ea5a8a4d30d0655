"use strict";
// Numbers as the page's text writes them; resgen/words/numbers.py is their twin.

const digits = (number, places = 3) => {
  if (number === 0) return "0";
  const after = Math.max(places - 1 - Math.floor(Math.log10(Math.abs(number))), 0);
  const both = { minimumFractionDigits: after, maximumFractionDigits: after };
  return number.toLocaleString("en-US", both);
};

const figure = (number) => {
  const size = Math.abs(number);
  return number === 0 || (size >= 1e-3 && size < 1e5)
    ? digits(number) : number.toExponential(2).replace("+", "");
};

// At an axis, where zeros would say nothing.
const tick = (number) => {
  const size = Math.abs(number), short = +number.toPrecision(6);
  return number === 0 || (size >= 1e-3 && size < 1e5)
    ? String(short) : short.toExponential().replace("+", "");
};

const inUnit = (number, units, last) => {
  const [factor, unit] = units.find(([f]) => Math.abs(number) >= f) || last;
  return `${digits(number / factor)} ${unit}`.trim();
};

const NS = [1e-9, "ns"];
const seconds = (value) =>
  value === 0 ? "0 s" : inUnit(value, [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], NS], NS);

const scaled = (number, unit = "") =>
  Number.isInteger(number) && number < 1000
    ? `${number} ${unit}`.trim()
    : inUnit(number, [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]
        .map(([f, prefix]) => [f, prefix + unit]), [1, unit]);

const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "");

const known = (value, write) => (value === null || value === undefined ? "" : write(value));

// For ECharts' tooltips, which are HTML: names come from models of anybody's.
const escaped = (text) =>
  String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const lines = (title, ...rows) =>
  [`<b>${escaped(title)}</b>`, ...rows.filter(Boolean).map(escaped)].join("<br>");
