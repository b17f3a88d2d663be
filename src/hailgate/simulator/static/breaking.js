// The panel that breaks the pretend WhatsApp.

import { at, attempt, call, make, makeButton } from "./talk.js";

const BREAKAGES = [
  ["When Hailgate calls", [
    ["Slow answers", "each call takes 5 seconds", { do: "delay", value: 5 }],
    ["Too many requests", "refuses: wait 5 seconds", { do: "throttle", value: { retry_after: "5" } }],
    ["Server errors", "answers with error 503", { do: "error", value: { status: 503 } }],
    ["Hangs up at once", "the connection breaks first", { do: "reset_before_read" }],
    ["Token revoked", "says that the access token is void", { do: "revoke_token" }],
    ["Session lost", "for 10 seconds, where a phone is paired", { do: "drop_session", value: 10 }],
  ]],
  ["After it has accepted", [
    ["Takes it, then hangs up", "accepts, but never says so", { do: "accept_then_reset" }],
    ["Half an answer", "accepts, its answer breaks off", { do: "accept_then_garbage" }],
    ["Takes it, then says no", "accepts, and answers with error 503", { do: "accept_then_error", value: { status: 503 } }],
    ["Dripping answer", "accepts, the answer takes 5 seconds", { do: "drip", value: 5 }],
    ["Ticks come first", "“sent” arrives before the answer", { do: "status_before_answer" }],
  ]],
  ["What people write", [
    ["Never told", "the business hears nothing of it", { do: "lose_inbound" }],
    ["Told twice", "the business hears of it again", { do: "duplicate_inbound" }],
  ]],
  ["The ticks", [
    ["No ticks at all", "every status is withheld", { do: "withhold_status" }],
    ["Never delivered", "only “sent” is ever told", { do: "statuses", value: ["sent"] }],
    ["Every tick twice", "each status comes again", { do: "duplicate_status" }],
    ["Muddled ticks", "statuses come in the wrong order", { do: "shuffle_status" }],
  ]],
];
const ALL = BREAKAGES.flatMap(([, breakages]) => breakages);

let active = [];
const buttons = [];

export function drawBreaking() {
  for (const [title, breakages] of BREAKAGES) {
    at("faults").append(make("h3", "", title), ...breakages.map(drawBreakage));
  }
  at("often").addEventListener("change", () => attempt(() => put(active.map(withChance))));
  at("heal").addEventListener("click", () => attempt(() => put([])));
}

function drawBreakage([title, hint, fault]) {
  const button = makeButton("fault", "", () => attempt(() => toggle(fault)));
  button.append(make("b", "", title), make("small", "", hint));
  button.setAttribute("aria-pressed", "false");
  buttons.push(button);
  return button;
}

export const loadFaults = async () => showFaults(await call("GET", "/_sim/faults"));
const put = async (faults) => showFaults(await call("PUT", "/_sim/faults", faults));

async function toggle(wanted) {
  const rest = active.filter((fault) => !isSame(wanted, fault));
  await put(rest.length < active.length ? rest : [...active, withChance(wanted)]);
}

// A fault of this panel happens as often as the panel says; another program's stays as it is.
function withChance(fault) {
  if (!ALL.some(([, , known]) => isSame(known, fault))) return fault;
  const share = Number(at("often").value);
  const { match: _, ...rest } = fault;
  return share < 1 ? { ...rest, match: { share } } : rest;
}

export function showFaults(faults) {
  active = faults;
  ALL.forEach(([, , fault], index) => {
    buttons[index].setAttribute("aria-pressed", String(active.some((other) => isSame(fault, other))));
  });
  const others = active.filter((fault) => !ALL.some(([, , one]) => isSame(one, fault))).length;
  at("others").hidden = others === 0;
  at("others").textContent = `${others} more ${others === 1 ? "fault was" : "faults were"} put by a program.`;
  at("heal").disabled = active.length === 0;
  at("broken").textContent = active.length ? `${active.length} broken` : "all is well";
  at("broken").classList.toggle("bad", active.length > 0);
}

// The simulator gives a fault back with its defaults filled in.
function isSame(fault, other) {
  const isPart = (part, whole) => part === undefined || part === whole
    || (typeof part === "object" && Object.entries(part).every(([key, value]) => isPart(value, whole?.[key])));
  const isOurs = Object.keys(other.match ?? {}).every((name) => name === "share");
  return fault.do === other.do && isOurs && isPart(fault.value, other.value);
}
