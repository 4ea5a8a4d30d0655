"use strict";
// What every page does: sort tables, offer a choice, show it light or dark.

const at = (id) => document.getElementById(id);
const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

// --- tables ---------------------------------------------------------------------------

const sortable = (table) => {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const key = ({ cells }, i, numeric) => {
    if (!numeric) return cells[i].textContent;
    return "value" in cells[i].dataset ? parseFloat(cells[i].dataset.value) : "";
  };
  heads.forEach((head, i) => head.firstElementChild.addEventListener("click", () => {
    const numeric = [...body.rows].some((row) => "value" in row.cells[i].dataset);
    const now = head.getAttribute("aria-sort");
    const down = now ? now === "ascending" : numeric;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...body.rows].map((row) => [key(row, i, numeric), row]);
    rows.sort(([a], [b]) => {
      // What is not known comes last in either direction.
      if (a === "" || b === "") return (a === "") - (b === "");
      const less = numeric ? a - b
        : a.localeCompare(b, "en", { numeric: true });
      return down ? -less : less;
    });
    body.append(...rows.map(([, row]) => row));
  }));
};

const long = ["name", "part", "computes"]; // columns whose text may be broken

// Columns are [head, text or number of a row, how to write the number].
const tableOf = (caption, columns, rows) => {
  const used = columns.filter(([, get]) => rows.some((row) => (get(row) ?? "") !== ""));
  const head = element("tr", {}, ...used.map(([name, , write]) =>
    element("th", { scope: "col", ...(write ? { class: "n" } : {}) },
      element("button", { type: "button" }, name))));
  const body = element("tbody", {}, ...rows.map((row) =>
    element("tr", {}, ...used.map(([name, get, write]) => {
      const value = get(row) ?? "";
      return write
        ? element("td", { class: "n", ...(value === "" ? {} : { "data-value": value }) },
          value === "" ? "" : write(value))
        : element("td", long.includes(name) ? { class: "name" } : {}, value);
    }))));
  const table = element("table", { class: "sortable" },
    element("caption", {}, caption), element("thead", {}, head), body);
  sortable(table);
  const group = { class: "scroll", tabindex: "0", role: "group", "aria-label": caption };
  return element("div", group, table);
};

const percent = (value) => `${(100 * value).toFixed(1)} %`;

// --- choices --------------------------------------------------------------------------

// Items have a title; a section with nothing to choose from is not shown.
const choose = (select, items, chosen) => {
  select.append(...items.map((item, i) => element("option", { value: i }, item.title)));
  select.addEventListener("change", () => chosen(items[select.value]));
  if (items.length) chosen(items[0]);
  else select.closest("section").hidden = true;
};

// --- light and dark -------------------------------------------------------------------

const dark = matchMedia("(prefers-color-scheme: dark)");
let chosen = null; // by the reader; until then the system says
const theme = (name) => {
  document.documentElement.dataset.theme = name;
  document.documentElement.style.colorScheme = name;
  at("theme").textContent = name === "dark" ? "Light" : "Dark";
  at("theme").setAttribute("aria-label", `Use ${name === "dark" ? "light" : "dark"} colours`);
  drawAll();
};
const wanted = () => chosen || (dark.matches ? "dark" : "light");
at("theme").addEventListener("click", () => {
  chosen = wanted() === "dark" ? "light" : "dark";
  theme(chosen);
});
dark.addEventListener("change", () => theme(wanted()));
const printing = matchMedia("print");
printing.addEventListener("change", () => theme(printing.matches ? "light" : wanted()));

// --- begin ----------------------------------------------------------------------------

document.querySelectorAll("table.sortable").forEach(sortable);

// Called once, when a page has chosen what it shows first.
const begin = () => {
  for (const link of document.querySelectorAll("nav a")) {
    link.hidden = at(link.hash.slice(1)).hidden;
  }
  ready = true;
  theme(wanted());
};

