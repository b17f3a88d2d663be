// What can be done with a message: react, reply, edit, delete.

import { startEdit, startReply } from "./composer.js";
import { make, makeButton } from "./talk.js";

const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

export function openMenu(item, bubble, write) {
  closeMenu();
  const react = (emoji) => write({ type: "reaction", reaction: { message_id: item.message.id, emoji } });
  const menu = make("div", "menu");
  menu.setAttribute("role", "menu");
  const emoji = make("span", "emoji");
  emoji.append(...EMOJI.map((one) => makeEntry(one, `React with ${one}`, () => react(one))));
  menu.append(emoji, ...listDeeds(item, react, write).map(([title, deed]) => makeEntry(title, title, deed)));
  menu.addEventListener("keydown", (event) => walkMenu(event, menu, bubble));
  bubble.append(menu);
  bubble.querySelector(".more").setAttribute("aria-expanded", "true");
  menu.querySelector("button").focus();
  menu.scrollIntoView({ block: "nearest" });
}

function listDeeds(item, react, write) {
  const isOwn = item.entry.direction === "from_phone";
  const deeds = [["Reply", () => startReply(item.message)]];
  if (item.reactions.from_phone) deeds.push(["Take the reaction back", () => react("")]);
  if (isOwn && item.message.type === "text") deeds.push(["Edit", () => startEdit(item.message)]);
  if (isOwn) deeds.push(["Delete for everyone", () => write({ type: "revoke", revoke: { original_message_id: item.message.id } })]);
  return deeds;
}

function makeEntry(text, label, deed) {
  const entry = makeButton("", text, () => { closeMenu(); deed(); });
  entry.setAttribute("role", "menuitem");
  entry.setAttribute("aria-label", label);
  return entry;
}

export function closeMenu() {
  document.querySelector(".menu")?.remove();
  document.querySelector(".more[aria-expanded=true]")?.setAttribute("aria-expanded", "false");
}

function walkMenu(event, menu, bubble) {
  const entries = [...menu.querySelectorAll("button")];
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    entries.at((entries.indexOf(document.activeElement) + step) % entries.length).focus();
  }
  if (event.key === "Escape") {
    closeMenu();
    bubble.querySelector(".more").focus();
  }
}
