// Keys for pages that work without them: j and k move over links marked data-item, e goes to the decision,
// / to the search, ? shows the keys.
"use strict";

const isField = (element) => element.closest("input, textarea, select, [contenteditable]") !== null;
const typing = (element) => isField(element) && element.type !== "checkbox";

function move(step) {
  const items = [...document.querySelectorAll("[data-item]")];
  if (items.length === 0) return;
  const at = items.indexOf(document.activeElement);
  const start = at === -1 ? items.findIndex((item) => item.getAttribute("aria-current") === "true") : at;
  const next = Math.min(Math.max(start + step, 0), items.length - 1);
  items[next].focus();
  items[next].scrollIntoView({ block: "nearest" });
}

function decide() {
  const said = document.getElementById("said");
  if (said !== null) {
    said.focus();
    return;
  }
  const item = document.activeElement?.closest("[data-item]") ?? document.querySelector("[data-item]");
  if (item !== null) window.location.assign(`${item.getAttribute("href")}#said`);
}

function toggleKeys() {
  const dialog = document.getElementById("keys");
  if (dialog.open) dialog.close();
  else dialog.showModal();
}

function search() {
  const field = document.getElementById("q");
  field?.focus();
  field?.select();
}

function undo() {
  document.querySelector("[data-undo]")?.focus();
  const act = document.querySelector("#decision details");
  act?.setAttribute("open", "");
  act?.querySelector("textarea").focus();
}

const follow = (mark) => () => document.querySelector(mark)?.click();

const keys = {
  j: () => move(1),
  k: () => move(-1),
  e: decide,
  n: follow("[data-next]"),
  t: follow("[data-take]"),
  u: follow("[data-list]"),
  z: undo,
  "/": search,
  "?": toggleKeys,
};

document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.ctrlKey && isField(event.target)) event.target.form?.requestSubmit();
  if (event.key === "Escape" && isField(event.target)) event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const act = keys[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
});

for (const button of document.querySelectorAll("[data-keys]")) {
  button.hidden = false;
  button.addEventListener("click", toggleKeys);
}
// A list that scrolls by itself goes on where the inspector was.
const current = document.querySelector(".list [aria-current]");
if (current !== null) {
  const list = current.closest(".groups, .list");
  list.scrollTop = current.offsetTop - list.offsetTop - list.clientHeight / 2;
}
// A timeline wider than the screen opens where the lines in dispute are.
function openTimeline() {
  const guilty = document.querySelector(".timeline .guilty");
  if (guilty === null) return;
  const region = guilty.closest(".scroll");
  region.scrollLeft = guilty.getBoundingClientRect().left - region.getBoundingClientRect().left - region.clientWidth / 2;
}
openTimeline();
document.addEventListener("htmx:afterSwap", openTimeline);
// On a phone filters would fill the first screen: they are folded until somebody wants them.
function fold() {
  if (!window.matchMedia("(max-width: 700px)").matches) return;
  for (const part of document.querySelectorAll("details.fold")) part.open = false;
}
fold();
document.addEventListener("htmx:afterSwap", fold);
if (window.location.hash === "#said") decide();
// Reloading the page to sign in asks for it again and sends no password again.
if (document.querySelector('form[action^="/sign-in"]') !== null) window.history.replaceState(null, "", window.location.href);
// Work that goes on in steps goes on by itself; without script its button does.
document.querySelector("form[data-goes-on]")?.requestSubmit();
