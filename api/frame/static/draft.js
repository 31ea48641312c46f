// What somebody ticked and typed of a decision stays in this tab until it is recorded: through the next finding, another
// language, signing in again. Without script the form is kept by the server where it was refused.
"use strict";

const draftOf = `draft ${document.querySelector(".who").textContent} ${window.location.pathname}`;
const fields = () => [...document.querySelectorAll("#decide select, #decide textarea")];
const boxes = () => [...document.querySelectorAll("input[type=checkbox][form=decide]")];

function keepDraft() {
  const typed = Object.fromEntries(fields().map((field) => [field.name, field.value]));
  const ticked = boxes().filter((box) => box.checked).map((box) => box.value);
  window.sessionStorage.setItem(draftOf, JSON.stringify({ typed, ticked }));
}

function restoreDraft() {
  const draft = JSON.parse(window.sessionStorage.getItem(draftOf) ?? "null");
  if (draft === null || fields().some((field) => field.value !== "")) return;
  for (const field of fields()) field.value = draft.typed[field.name] ?? "";
  for (const box of boxes()) box.checked ||= draft.ticked.includes(box.value);
}

if (document.querySelector("#decision[data-done]") !== null) window.sessionStorage.removeItem(draftOf);
else restoreDraft();
document.getElementById("decide")?.addEventListener("input", keepDraft);
document.addEventListener("change", (event) => {
  if (event.target.matches("[form=decide]")) keepDraft();
});
