// What the page does beyond being read: tables that sort, filter and copy, and charts that answer.
// Without JavaScript the tables stand as they are and the charts as they were drawn.
"use strict";

// Tables

function enhance(table) {
  const [head] = table.tHead.rows;
  const body = table.tBodies[0];
  [...head.cells].forEach((cell, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    button.addEventListener("click", () => sort(head, body, column));
    cell.append(button);
  });
  table.closest(".scroll").before(tools(table, head, body));
}

function tools(table, head, body) {
  const bar = document.createElement("div");
  bar.className = "tools";
  const label = document.createElement("label");
  const filter = document.createElement("input");
  filter.type = "search";
  label.append("Filter rows ", filter);
  const copy = document.createElement("button");
  copy.type = "button";
  copy.textContent = "Copy as CSV";
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  bar.append(label, copy, said);
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const same = sameOf(table).flat().join(" ");
    for (const row of body.rows) {
      const text = `${row.textContent} ${same}`.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
    said.textContent = words.length ? `${shown(body).length} of ${body.rows.length} rows` : "";
  });
  copy.addEventListener("click", async () => {
    const rows = shown(body);
    try {
      await navigator.clipboard.writeText(csv([head, ...rows], sameOf(table)));
      said.textContent = `${rows.length} rows copied`;
    } catch {
      said.textContent = "the browser did not let the page copy";
    }
  });
  return bar;
}

const shown = (body) => [...body.rows].filter((row) => !row.hidden);

const value = (cell) => cell.dataset.value ?? cell.textContent.trim();

// Columns that hold one value in all rows: the caption says them, and they are copied as columns.
const sameOf = (table) => JSON.parse(table.dataset.same ?? "[]");

function csv(rows, same) {
  const quoted = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const line = (row, place) => [...row.cells].map(value).concat(same.map((one) => one[place ? 1 : 0]));
  return rows.map((row, place) => line(row, place).map(quoted).join(",") + "\n").join("");
}

function sort(head, body, column) {
  const cell = head.cells[column];
  const down = cell.getAttribute("aria-sort") === "ascending";
  for (const other of head.cells) other.removeAttribute("aria-sort");
  cell.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = (row) => value(row.cells[column]);
  const order = new Intl.Collator(undefined, { numeric: true });
  body.append(
    ...[...body.rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === ""); // what is missing comes last either way
      const numbers = Number(x) - Number(y);
      return (down ? -1 : 1) * (Number.isNaN(numbers) ? order.compare(x, y) : numbers);
    }),
  );
}

// Charts

const brought = new WeakSet();
const phone = matchMedia("(max-width: 40rem)");

async function bring(drawing) {
  if (brought.has(drawing)) return;
  brought.add(drawing);
  const wide = JSON.parse(document.getElementById(drawing.dataset.spec).textContent);
  const { $schema, config, datasets, usermeta } = wide;
  const narrow = phone.matches && usermeta?.narrow;
  const spec = narrow ? { $schema, datasets, ...narrow, config: { ...config, ...narrow.config } } : wide;
  const controls = drawing.closest("figure").querySelector(".controls");
  const stage = document.createElement("div");
  await vegaEmbed(stage, spec, {
    actions: false,
    ast: false,
    renderer: "svg",
    bind: controls,
    tooltip: { disableDefaultStyle: true },
  });
  // The drawing as a whole has a text; without this its parts would be read out one by one.
  stage.querySelector("svg").setAttribute("aria-hidden", "true");
  drawing.replaceChildren(...stage.childNodes);
  drawing.classList.add("live");
}

const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      bring(target);
    }
  },
  { rootMargin: "400px" },
);

// What scrolls sideways can be reached and scrolled by keyboard.

const scrolls = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    // Where the second column that stays in sight begins: where the first ends.
    const first = target.querySelector(".names-2 th");
    if (first) target.style.setProperty("--second", `${first.getBoundingClientRect().width}px`);
    if (target.scrollWidth > target.clientWidth || target.scrollHeight > target.clientHeight) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});

// What is folded stands in a <noscript>: without scripts it is part of the page as it is; with them it is mere text,
// which costs the browser little, until it is unfolded, printed or linked to, or there is time for it.

function fill(folded) {
  const parts = document.createElement("template");
  parts.innerHTML = folded.textContent;
  const within = [...parts.content.children];
  folded.replaceWith(parts.content);
  within.forEach(enliven);
}

const fillAll = (root) => root.querySelectorAll("noscript").forEach(fill);

addEventListener("toggle", (event) => fillAll(event.target), true);

const later = window.requestIdleCallback ?? ((work) => setTimeout(work, 100));

function fillNext() {
  const next = document.querySelector("noscript");
  if (!next) return;
  fill(next);
  later(fillNext);
}

addEventListener("load", () => later(fillNext));

function enliven(root) {
  root.querySelectorAll("table").forEach(enhance);
  root.querySelectorAll(".drawing").forEach((drawing) => near.observe(drawing));
  root.querySelectorAll(".scroll").forEach((box) => scrolls.observe(box));
}

// Print shows what is folded.

let folded = [];
addEventListener("beforeprint", () => {
  fillAll(document);
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const details of folded) details.open = true;
});
addEventListener("afterprint", () => {
  for (const details of folded) details.open = false;
});

// A link into something folded opens it.

function unfold() {
  const name = decodeURIComponent(location.hash.slice(1));
  if (!name) return;
  if (!document.getElementById(name)) fillAll(document);
  const target = document.getElementById(name);
  for (let at = target; at; at = at.parentElement) if (at instanceof HTMLDetailsElement) at.open = true;
  target?.scrollIntoView();
}

addEventListener("hashchange", unfold);
addEventListener("DOMContentLoaded", () => {
  enliven(document.body);
  unfold();
});
if (matchMedia("(max-width: 62rem)").matches) document.querySelector("nav details").open = false;
// What is there already is the grid, the first to be asked.
document.querySelectorAll(".drawing").forEach(bring);
