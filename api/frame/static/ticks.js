// Ticking findings on a lead's page. What is ticked is kept in this tab, by log-in and lead, until it is recorded: groups and
// findings stay ticked while others are opened. The form sends what is kept, and the lead's version that was seen first.
// Without script each box is a field of the form by itself, and the server reads the same.
"use strict";

const all = document.querySelector("[data-all]");
const groups = [...document.querySelectorAll("[data-group]")];
const findings = [...document.querySelectorAll("[data-finding]")];
const told = document.getElementById("ticked");
const form = document.getElementById("decide");
const keptAs = `ticks ${document.querySelector(".who").textContent} ${window.location.pathname}`;

const field = (name) => form.elements.namedItem(name).value;
const listed = () => ["show", "fold", "least"].map(field).join(" ");
const groupOf = (finding) => finding.closest(".group").querySelector("[data-group]");
const cents = (box) => Math.round(Number(box.dataset.money) * 100);

/** Ticked: everything that is listed, groups with their size, single findings; and those left out of a ticked group. */
let ticks = null;
const nothing = () => ({ listed: listed(), version: field("version"), everything: false, groups: {}, findings: {}, left: {} });
const whole = (group) => ticks.everything || group in ticks.groups;
const isTicked = (finding) => (whole(groupOf(finding).value) ? !(finding.value in ticks.left) : finding.value in ticks.findings);

function load() {
  const kept = JSON.parse(window.sessionStorage.getItem(keptAs) ?? "null");
  if (kept === null || document.querySelector("#decision[data-done]") !== null) {
    ticks = { ...nothing(), everything: all.checked };
    for (const group of groups) if (group.checked && !ticks.everything) tickGroup(group, true);
    for (const finding of findings) if (finding.checked && !isTicked(finding)) tick(finding, true);
    return;
  }
  // Groups are those of one list; where some of the findings changed, they are looked at anew.
  const isStale = kept.listed !== listed() || form.dataset.changed !== undefined;
  ticks = isStale ? { ...nothing(), findings: kept.findings, version: kept.version } : kept;
  if (form.dataset.changed !== undefined || sum()[0] === 0) ticks.version = field("version");
}

function forget(group) {
  delete ticks.groups[group];
  for (const of of [ticks.findings, ticks.left]) {
    for (const [name, entry] of Object.entries(of)) if (entry.group === group) delete of[name];
  }
}

function tickAll(on) {
  ticks = { ...nothing(), version: ticks.version, everything: on };
}

function tickGroup(group, on) {
  if (ticks.everything) {
    ticks.everything = false;
    for (const other of groups) ticks.groups[other.value] = { count: Number(other.dataset.count), cents: cents(other) };
  }
  forget(group.value);
  if (on) ticks.groups[group.value] = { count: Number(group.dataset.count), cents: cents(group) };
}

function tick(finding, on) {
  const group = groupOf(finding).value;
  const of = whole(group) ? ticks.left : ticks.findings;
  if (on === (of === ticks.findings)) of[finding.value] = { group, cents: cents(finding) };
  else delete of[finding.value];
}

/** How many findings are ticked, and what they come to in cents. */
function sum() {
  const taken = ticks.everything
    ? groups.map((group) => ({ count: Number(group.dataset.count), cents: cents(group) }))
    : Object.values(ticks.groups);
  const add = (entries, size) => entries.reduce(([count, money], entry) => [count + size(entry), money + entry.cents], [0, 0]);
  const [count, money] = add([...taken, ...Object.values(ticks.findings)], (entry) => entry.count ?? 1);
  const [left, leftMoney] = add(Object.values(ticks.left), () => 1);
  return [count - left, money - leftMoney];
}

function show() {
  const partly = new Set([...Object.values(ticks.findings), ...Object.values(ticks.left)].map((entry) => entry.group));
  all.checked = ticks.everything;
  all.indeterminate = ticks.everything && partly.size > 0;
  for (const group of groups) {
    group.checked = whole(group.value);
    group.indeterminate = partly.has(group.value);
  }
  for (const finding of findings) finding.checked = isTicked(finding);
  const [count, money] = sum();
  const yuan = (money / 100).toLocaleString("en-US", { minimumFractionDigits: 2 });
  told.textContent = count === 0 ? told.dataset.none : told.dataset.words.replace("{count}", count).replace("{money}", yuan);
  window.sessionStorage.setItem(keptAs, JSON.stringify(ticks));
}

function send(data) {
  for (const name of ["everything", "group", "finding", "left_out"]) data.delete(name);
  data.set("version", ticks.version);
  if (ticks.everything) data.set("everything", "true");
  for (const [name, of] of [["group", ticks.groups], ["finding", ticks.findings], ["left_out", ticks.left]]) {
    for (const value of Object.keys(of)) data.append(name, value);
  }
}

let last = null;
function tickOne(finding, on, between) {
  const [from, to] = [findings.indexOf(last ?? finding), findings.indexOf(finding)].sort((a, b) => a - b);
  for (const other of between ? findings.slice(from, to + 1) : [finding]) if (isTicked(other) !== on) tick(other, on);
  last = finding;
}

function change(box, on, between) {
  if (box === all) tickAll(on);
  else if (groups.includes(box)) tickGroup(box, on);
  else tickOne(box, on, between);
  show();
}

// The evidence that was swapped in is of the finding whose address the page has now.
document.addEventListener("htmx:afterSwap", () => {
  for (const link of document.querySelectorAll(".list [data-item]")) {
    const here = link.getAttribute("hx-get") === window.location.pathname + window.location.search;
    link.toggleAttribute("aria-current", here);
    if (here) link.setAttribute("aria-current", "true");
  }
  if (window.innerWidth <= 1000) document.getElementById("evidence").scrollIntoView();
});

if (form !== null && all !== null) {
  told.dataset.none = told.textContent;
  load();
  for (const box of [all, ...groups, ...findings]) {
    box.addEventListener("click", (event) => change(box, box.checked, event.shiftKey));
  }
  form.addEventListener("formdata", (event) => send(event.formData));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), textarea, select")) return;
    if (event.key === "a") {
      change(all, !ticks.everything, false);
    } else if (event.key === " " && event.target.matches(".row > a")) {
      const box = event.target.closest(".row").querySelector("input[type=checkbox]");
      change(box, !box.checked, event.shiftKey);
    } else return;
    event.preventDefault();
  });
  show();
} else if (document.querySelector("#decision[data-done]") !== null) {
  window.sessionStorage.removeItem(keptAs);
}
