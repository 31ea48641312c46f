// What somebody typed of a decision stays in this tab, by log-in and lead, until it is recorded: through the next finding,
// another language, signing in again. Without script the form is kept by the server where it was refused.
"use strict";

const draftOf = `draft ${document.querySelector(".who").textContent} ${window.location.pathname}`;
const fields = [...document.querySelectorAll("#decide select, #decide textarea")];

if (document.querySelector("#decision[data-done]") !== null) window.sessionStorage.removeItem(draftOf);
const draft = JSON.parse(window.sessionStorage.getItem(draftOf) ?? "null");
if (draft !== null && fields.every((field) => field.value === "")) {
  for (const field of fields) field.value = draft[field.name] ?? "";
}
document.getElementById("decide")?.addEventListener("input", () => {
  const typed = Object.fromEntries(fields.map((field) => [field.name, field.value]));
  window.sessionStorage.setItem(draftOf, JSON.stringify(typed));
});
