// Writing from the phone: text, files, places, contacts; replies, edits.

import { EXAMPLE_PLACE } from "./bubble.js";
import { summarise } from "./chat.js";
import { at, attempt, make, makeButton, upload } from "./talk.js";

const EXAMPLE_CONTACT = {
  type: "contacts",
  contacts: [{
    name: { formatted_name: "Luis Sample", first_name: "Luis" },
    phones: [{ phone: "+1 555-010-0077", wa_id: "15550100077", type: "CELL" }],
  }],
};
const CAPTIONED = new Set(["image", "video", "document"]);
const THINGS = [
  ["Photo or video", () => pick("image/jpeg,image/png,video/mp4,video/3gpp", (file) => (file.type.startsWith("video/") ? "video" : "image"))],
  ["Document", () => pick("", () => "document")],
  ["Voice message", () => pick("audio/*", () => "audio", { voice: true })],
  ["Audio", () => pick("audio/*", () => "audio")],
  ["Sticker (webp)", () => pick("image/webp", () => "sticker")],
  ["A drawn picture", async () => sendFile(await drawSample("image/png"), "image")],
  ["A recorded voice message", async () => sendFile(await loadSample("/static/voice.ogg"), "audio", { voice: true })],
  ["A written document", () => sendFile(writeSample(), "document")],
  ["A drawn sticker", async () => sendFile(await drawSample("image/webp"), "sticker")],
  ["Location", () => write(EXAMPLE_PLACE)],
  ["Contact", () => write(EXAMPLE_CONTACT)],
  ["Call the business", () => write({ type: "call", call: { event: "connect" } })],
];

let write; // sends a message to the business: resolves to undefined when that failed
let phone; // () => number
let quoted = null;
let edited = null;

export function drawComposer(send, phoneNumber) {
  phone = phoneNumber;
  write = async (message) => {
    const context = quoted ? { context: { message_id: quoted.id }, ...(quoted.group_id ? { group_id: quoted.group_id } : {}) } : {};
    const sent = await send({ ...context, ...message });
    if (sent) clearDraft();
    return sent;
  };
  at("compose").addEventListener("submit", (event) => { event.preventDefault(); sendText(); });
  at("text").addEventListener("keydown", onKey);
  at("dismiss").addEventListener("click", () => { clearDraft(); at("text").focus(); });
  at("attach").addEventListener("click", () => showThings(at("things").hidden));
  at("things").addEventListener("keydown", (event) => {
    if (event.key === "Escape") { showThings(false); at("attach").focus(); }
  });
  at("things").append(...THINGS.map(([title, deed]) => makeButton("thing", title, () => { showThings(false); attempt(deed); })));
}

function showThings(isOpen) {
  at("things").hidden = !isOpen;
  at("attach").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) at("things").firstElementChild.focus();
}

function onKey(event) {
  if (event.key === "Escape") clearDraft();
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sendText();
}

async function sendText() {
  const text = at("text").value.trim();
  if (!text || !phone()) return;
  const content = { type: "text", text: { body: text } };
  const message = edited ? { type: "edit", edit: { original_message_id: edited.id, message: content } } : content;
  at("text").value = "";
  const sent = await write(message);
  if (!sent && !at("text").value) at("text").value = text;
}

export function startReply(message) {
  clearDraft();
  quoted = message;
  showDraft("Reply to", message);
}

export function startEdit(message) {
  clearDraft();
  edited = message;
  at("text").value = message.text.body;
  showDraft("Edit", message);
}

function showDraft(title, message) {
  at("draft-title").textContent = title;
  at("draft-text").textContent = summarise(message);
  at("draft").hidden = false;
  at("text").focus();
}

export function clearDraft() {
  if (edited) at("text").value = "";
  quoted = null;
  edited = null;
  at("draft").hidden = true;
}

function pick(accept, kindOf, more = {}) {
  const input = make("input");
  input.type = "file";
  input.accept = accept;
  input.addEventListener("change", () => attempt(() => sendFile(input.files[0], kindOf(input.files[0]), more)));
  input.click();
}

// What stands in the message box becomes the caption.
async function sendFile(file, kind, more = {}) {
  const name = file.name ?? "";
  const { id } = await upload(`/_sim/phones/${phone()}/files?filename=${encodeURIComponent(name)}`, file);
  const caption = CAPTIONED.has(kind) ? at("text").value.trim() : "";
  const filename = kind === "document" && name ? { filename: name } : {};
  const sent = await write({ type: kind, [kind]: { id, ...more, ...filename, ...(caption ? { caption } : {}) } });
  if (sent && caption) at("text").value = "";
}

// For who has no file at hand.
const writeSample = () => new File(["A document from a simulated phone.\n"], "letter.txt", { type: "text/plain" });

async function loadSample(path) {
  const answer = await fetch(path);
  return new File([await answer.blob()], "voice.ogg", { type: "audio/ogg" });
}

function drawSample(type) {
  const canvas = make("canvas");
  canvas.width = canvas.height = 512;
  const pen = canvas.getContext("2d");
  const hue = Math.floor(Math.random() * 360);
  if (type === "image/png") {
    pen.fillStyle = `hsl(${hue} 70% 85%)`;
    pen.fillRect(0, 0, 512, 512);
  }
  pen.fillStyle = `hsl(${hue} 60% 45%)`;
  pen.beginPath();
  pen.arc(256, 256, 190, 0, 7);
  pen.fill();
  pen.fillStyle = "white";
  for (const x of [190, 322]) {
    pen.beginPath();
    pen.arc(x, 215, 26, 0, 7);
    pen.fill();
  }
  pen.lineWidth = 18;
  pen.strokeStyle = "white";
  pen.beginPath();
  pen.arc(256, 270, 95, 0.3, 2.85);
  pen.stroke();
  return new Promise((resolve) => { canvas.toBlob(resolve, type); });
}
