// The business's own phones, where a server is linked to one: the code that waits to be scanned, and what a person does.

import { at, attempt, call, make, makeButton } from "./talk.js";

const WORDS = {
  absent: "not made yet", closed: "not linked", starting: "not connected", code: "waits to be scanned", open: "connected",
};
const CUT_S = 10;

const sessions = new Map();

export async function loadSessions() {
  sessions.clear();
  (await call("GET", "/_sim/sessions")).forEach((session) => sessions.set(session.number, session));
  drawSessions();
}

export function showSession(session) {
  sessions.set(session.number, session);
  drawSessions();
  if (session.state === "code") at("pairing-panel").open = true;
}

function drawSessions() {
  at("pairing-panel").hidden = sessions.size === 0;
  at("sessions").replaceChildren(...[...sessions.values()].map(drawSession));
}

function drawSession(session) {
  const item = make("li", "session");
  const title = make("span", "session-title");
  const linked = session.paired_as && session.paired_as !== session.number ? ` as ${session.paired_as}` : "";
  title.append(make("b", "", session.name), make("small", session.state === "open" ? "" : "bad", `${session.number} · ${WORDS[session.state]}${linked}`));
  item.append(title, ...drawCode(session), drawDeeds(session));
  return item;
}

function drawCode({ number, state, qr, pairing_code: code }) {
  if (state !== "code") return [];
  const picture = make("img", "qr");
  picture.alt = "QR code to scan";
  picture.src = `/_sim/channels/${number}/qr.svg?${encodeURIComponent(qr.slice(0, 24))}`;
  return code ? [picture, make("small", "", `Pairing code ${code.slice(0, 4)}-${code.slice(4)}`)] : [picture];
}

function drawDeeds({ number, state, pairing_code: code }) {
  const deeds = make("div", "pair");
  const act = (name, deed, order = {}) => makeButton("small", name, () => (
    attempt(() => call("POST", `/_sim/channels/${number}/${deed}`, order))));
  if (state === "code") deeds.append(act("Scan", "scan"), ...(code ? [act("Type the code", "scan", { code })] : []));
  if (state === "open") deeds.append(act(`Cut off for ${CUT_S} s`, "drop", { seconds: CUT_S }), act("Unlink", "unlink"));
  return deeds;
}
