// Ticking findings on a lead's page: a group ticks what it shows, Shift ticks all between, and the bar says what it comes to.
// Without script each box is a field of the form by itself, and the server reads the same.
"use strict";

const all = document.querySelector("[data-all]");
const groups = [...document.querySelectorAll("[data-group]")];
const findings = [...document.querySelectorAll("[data-finding]")];
const told = document.getElementById("ticked");
const form = document.getElementById("decide");

/** The box of the group that shows a finding. */
const groupOf = (finding) => finding.closest(".group").querySelector("[data-group]");
const shownIn = (group) => findings.filter((finding) => groupOf(finding) === group);

/** A ticked group or list takes everything but what was unticked in it: these names the form sends as left_out. */
function leaveOut() {
  for (const field of form.querySelectorAll("[name=left_out]")) field.remove();
  for (const finding of findings) {
    if (finding.checked || !(groupOf(finding).checked || all.checked)) continue;
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "left_out";
    field.value = finding.value;
    form.append(field);
  }
}

/** How many findings are ticked, and what they come to in yuan. */
function sum() {
  let count = 0;
  let cents = 0;
  for (const group of groups) {
    const shown = shownIn(group);
    const whole = group.checked || all.checked;
    const some = shown.filter((finding) => finding.checked !== whole);
    const sign = whole ? -1 : 1;
    count += (whole ? Number(group.dataset.count) : 0) + sign * some.length;
    for (const finding of some) cents += sign * Math.round(Number(finding.dataset.money) * 100);
    if (whole) cents += Math.round(Number(group.dataset.money) * 100);
  }
  return [count, cents];
}

function tell() {
  leaveOut();
  const [count, cents] = sum();
  const money = (cents / 100).toLocaleString("en-US", { minimumFractionDigits: 2 });
  told.textContent = count === 0 ? told.dataset.none : told.dataset.words.replace("{count}", count).replace("{money}", money);
}

let last = null;
function ticked(finding, between) {
  if (between && last !== null) {
    const [from, to] = [findings.indexOf(last), findings.indexOf(finding)].sort((a, b) => a - b);
    for (const other of findings.slice(from, to + 1)) other.checked = finding.checked;
  }
  last = finding;
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

if (form !== null && told !== null && all !== null) {
  told.dataset.none = told.textContent;
  all.addEventListener("change", () => {
    for (const box of [...groups, ...findings]) box.checked = all.checked;
  });
  for (const group of groups) {
    group.addEventListener("change", () => {
      for (const finding of shownIn(group)) finding.checked = group.checked;
      if (!group.checked) all.checked = false;
    });
  }
  for (const finding of findings) finding.addEventListener("click", (event) => ticked(finding, event.shiftKey));
  document.addEventListener("change", tell);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select") !== null) return;
    if (event.key === "a") {
      all.click();
    } else if (event.key === " " && event.target.matches("[data-item], .row > a")) {
      const box = event.target.closest(".row").querySelector("input[type=checkbox]");
      box.checked = !box.checked;
      if (box.matches("[data-finding]")) ticked(box, event.shiftKey);
      box.dispatchEvent(new Event("change", { bubbles: true }));
    } else return;
    event.preventDefault();
  });
  tell();
}
