// The panels beside the phone: its own settings, the clock, the templates.

import { at, attempt, call, make, makeButton } from "./talk.js";

const HOUR = 3600;

export function drawSettings(changePhone, tell) {
  for (const box of document.querySelectorAll("[data-setting]")) {
    box.addEventListener("change", () => changePhone({ [box.dataset.setting]: box.checked }));
  }
  for (const button of document.querySelectorAll("[data-tell]")) {
    button.addEventListener("click", () => tell(JSON.parse(button.dataset.tell)));
  }
  for (const button of document.querySelectorAll("[data-hours]")) {
    button.addEventListener("click", () => attempt(() => moveClock(Number(button.dataset.hours) * HOUR)));
  }
  at("templates-panel").addEventListener("toggle", () => attempt(loadTemplates));
}

export function showPhone(phone) {
  for (const box of document.querySelectorAll("[data-setting]")) {
    box.checked = phone[box.dataset.setting] ?? box.dataset.setting !== "hides_number";
  }
}

let offset = 0;

async function moveClock(seconds) {
  showClock(await call("PUT", "/_sim/clock", { offset_s: seconds === 0 ? 0 : offset + seconds }));
}

export const loadClock = async () => showClock(await call("GET", "/_sim/clock"));

export function showClock({ offset_s: seconds }) {
  offset = seconds;
  const now = new Date(Date.now() + offset * 1000);
  const hours = Math.round(offset / HOUR);
  at("now").textContent = now.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  at("shift").textContent = hours ? `${Math.abs(hours)} ${Math.abs(hours) === 1 ? "hour" : "hours"} ${hours > 0 ? "ahead" : "behind"}` : "the true time";
}

async function loadTemplates() {
  if (!at("templates-panel").open) return;
  const templates = await call("GET", "/_sim/templates");
  at("templates").replaceChildren(...templates.map(drawTemplate));
}

function drawTemplate({ id, name, language, status }) {
  const item = make("li", "template");
  const words = make("span");
  words.append(make("b", "", name), make("small", status === "APPROVED" ? "" : "bad", `${language} · ${status.toLowerCase()}`));
  const next = status === "APPROVED" ? "PAUSED" : "APPROVED";
  item.append(words, makeButton("small", status === "APPROVED" ? "Pause" : "Approve", () => (
    attempt(async () => { await call("PUT", `/_sim/templates/${id}`, { status: next }); await loadTemplates(); }))));
  return item;
}
