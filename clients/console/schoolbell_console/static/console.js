// What every page does: parts that change by themselves, a service that goes and comes back,
// and menus that close.
"use strict";

const EVERY = 5000; // milliseconds
const PATIENCE = 12000; // milliseconds
const away = document.getElementById("away");

async function ask(address) {
  const stop = AbortSignal.timeout(PATIENCE);
  return fetch(address, { signal: stop, redirect: "error", headers: { "X-Part": "yes" } });
}

function showAway(isAway) {
  if (away) away.hidden = !isAway;
}

// A part of the page is asked for anew while the page is looked at.
async function refresh(part) {
  if (document.hidden) return;
  try {
    const answer = await ask(part.dataset.refresh);
    showAway(answer.status >= 500);
    if (!answer.ok) return;
    const text = await answer.text();
    if (text !== part.lastText) part.innerHTML = part.lastText = text;
  } catch {
    showAway(true);
  }
}

for (const part of document.querySelectorAll("[data-refresh]")) {
  setInterval(() => refresh(part), EVERY);
}

// A page that could not be shown comes back once the service answers.
async function comeBack() {
  try {
    const answer = await ask(document.body.dataset.answering);
    if (answer.status < 500) location.reload();
  } catch {
    // The console is away too: look again.
  }
}

if (document.querySelector("[data-come-back]") && document.body.dataset.answering) {
  setInterval(comeBack, 2000);
}

// An open menu closes with Escape, and with a click elsewhere.
function closeMenus(except) {
  for (const menu of document.querySelectorAll(".bar details[open], .menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.activeElement?.closest(".bar details[open], .menu[open]");
  closeMenus();
  menu?.querySelector("summary").focus();
});
document.addEventListener("click", (event) => closeMenus(event.target.closest(".bar details, .menu")));

// A form is sent once, and what cannot be undone only when it is meant.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm;
  if (question && !confirm(question)) {
    event.preventDefault();
    return;
  }
  if ("repeats" in event.target.dataset) return;
  if (event.target.dataset.sent) event.preventDefault();
  else event.target.dataset.sent = "yes";
});
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// "All" checks or clears the boxes of its table.
for (const all of document.querySelectorAll("[data-all]")) {
  all.addEventListener("change", () => {
    for (const box of document.querySelectorAll(`input[name="${all.dataset.all}"]`)) {
      box.checked = all.checked;
    }
  });
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.addEventListener("click", () => print());
}

// What is folded is printed too.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("main details.more")) part.open = true;
});
