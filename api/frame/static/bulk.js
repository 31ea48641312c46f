// Ticking leads in the queue: how many are ticked, Space ticks the lead that has the focus, a all of the page, b goes to
// what is to be done with them. Without script each box is a field of the form by itself. The queue is swapped in place,
// so everything is looked up when it happens.
"use strict";

const boxes = () => [...document.querySelectorAll("[data-lead]")];

function tell() {
  const told = document.getElementById("ticked-leads");
  if (told === null) return;
  told.dataset.none ??= told.textContent;
  const all = document.getElementById("all-leads");
  const count = all.checked ? Number(all.dataset.count) : boxes().filter((box) => box.checked).length;
  told.textContent = count === 0 ? told.dataset.none : told.dataset.words.replace("{count}", count.toLocaleString("en-US"));
}

function tickPage() {
  const on = boxes().some((box) => !box.checked);
  for (const box of boxes()) box.checked = on;
}

function tickFocused() {
  const box = document.activeElement.closest("tr")?.querySelector("[data-lead]");
  if (box) box.checked = !box.checked;
}

const bulkKeys = { a: tickPage, " ": tickFocused, b: () => document.getElementById("wish")?.focus() };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, button") !== null) return;
  if (bulkKeys[event.key] === undefined || boxes().length === 0) return;
  event.preventDefault();
  bulkKeys[event.key]();
  tell();
});
let last = null;
document.addEventListener("click", (event) => {
  if (!event.target.matches?.("[data-lead]")) return;
  const all = boxes();
  const [from, to] = [all.indexOf(last ?? event.target), all.indexOf(event.target)].sort((a, b) => a - b);
  if (event.shiftKey && from >= 0) for (const box of all.slice(from, to + 1)) box.checked = event.target.checked;
  last = event.target;
});
document.addEventListener("change", tell);
tell();
