"use strict";
// Sorts tables by the column whose head is pressed, and shows only what is of some
// class. Without it the page shows everything, the worst first.

const shown = (cell) => cell.dataset.value ?? cell.textContent.trim();

function order(a, b) {
  const numbers = [Number(a), Number(b)];
  const known = numbers.map((number, i) => [a, b][i] !== "" && !Number.isNaN(number));
  if (known[0] && known[1]) return numbers[0] - numbers[1];
  if (known[0] !== known[1]) return known[0] ? -1 : 1;
  return a.localeCompare(b);
}

function sort(table, head) {
  const ascending = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const value = (row) => shown(row.cells[head.cellIndex]);
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => (ascending ? 1 : -1) * order(value(a), value(b)));
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table.sortable")) {
  for (const head of table.tHead.rows[0].cells) {
    if (!head.textContent.trim()) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, head));
    head.append(button);
  }
}

const search = document.getElementById("search");
const found = document.getElementById("found");
const parts = [...document.querySelectorAll("[data-classes]")];
const names = new Set(
  [...document.querySelectorAll("#classes option")].map((o) => o.value.toLowerCase()),
);

function filter() {
  const wanted = search.value.trim().toLowerCase();
  // A whole name means that class alone, not all whose names begin with it.
  const fits = names.has(wanted) ? (n) => n === wanted : (n) => n.includes(wanted);
  for (const part of parts) {
    part.hidden = !part.dataset.classes.toLowerCase().split("\n").some(fits);
  }
  const classes = parts.filter((p) => p.matches(".class") && !p.hidden).length;
  found.textContent = wanted ? `${classes} of ${names.size} classes` : "";
}

search.closest("label").hidden = false;
search.addEventListener("input", filter);
filter(); // A browser that goes back keeps what was typed.
