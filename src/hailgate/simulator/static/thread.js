// One message of a chat as it is drawn: quote, content, time, ticks, reactions.
//
// `chat` is {items, phone, write}: all messages, whose phone it is, and how a message is sent from it.

import { drawContent } from "./bubble.js";
import { noteOf, summarise } from "./chat.js";
import { closeMenu, openMenu } from "./menu.js";
import { at, make, makeButton } from "./talk.js";

const HOLD_MS = 500; // a long press
const TICKS = {
  sent: ["✓", "handed to WhatsApp"],
  delivered: ["✓✓", "the business has it"],
  read: ["✓✓", "the business has read it"],
};

export function drawItem(item, chat) {
  const note = item.revoked ? null : noteOf(item.message);
  const element = note ? make("li", "note", note) : drawBubble(item, chat);
  element.dataset.seq = item.entry.seq;
  return element;
}

function drawBubble(item, chat) {
  const { entry, message } = item;
  const bubble = make("li", `bubble ${entry.direction} is-${message.type}`);
  if (message.group_id) bubble.append(make("small", "group", `in the group ${message.group_id}`));
  if (item.revoked) bubble.append(make("span", "odd", "This message was deleted."));
  else {
    bubble.append(...drawQuote(message.context, chat), ...drawContent(item, chat.phone, chat.write), drawMore(item, bubble, chat));
    listenForHold(item, bubble, chat);
  }
  const choices = [...bubble.children].filter((child) => child.className === "choices");
  bubble.append(drawMeta(item), ...choices, ...drawReactions(item)); // the time stands above what can be pressed
  return bubble;
}

function drawMeta({ entry, edited, revoked }) {
  const time = new Date(entry.at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const meta = make("span", "meta", edited && !revoked ? `edited ${time}` : time);
  if (entry.direction === "from_phone") meta.append(drawTicks(entry.status));
  return meta;
}

function drawMore(item, bubble, chat) {
  const more = makeButton("more", "⋮", () => {
    if (more.getAttribute("aria-expanded") === "true") closeMenu();
    else openMenu(item, bubble, chat.write);
  });
  more.setAttribute("aria-label", "React, reply and more");
  more.setAttribute("aria-haspopup", "menu");
  more.setAttribute("aria-expanded", "false");
  return more;
}

function listenForHold(item, bubble, chat) {
  let timer;
  bubble.addEventListener("contextmenu", (event) => { event.preventDefault(); openMenu(item, bubble, chat.write); });
  bubble.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") timer = setTimeout(() => openMenu(item, bubble, chat.write), HOLD_MS);
  });
  for (const end of ["pointerup", "pointermove", "pointercancel"]) bubble.addEventListener(end, () => clearTimeout(timer));
}

function drawQuote(context, chat) {
  if (!context?.message_id) return [];
  const quoted = chat.items.find((item) => item.message.id === context.message_id);
  const author = quoted?.entry.direction === "from_phone" ? "You" : "The business";
  const quote = makeButton("quote", "", () => (
    at("messages").querySelector(`[data-seq="${quoted?.entry.seq}"]`)?.scrollIntoView({ block: "center" })));
  const words = quoted ? (quoted.revoked ? "This message was deleted." : summarise(quoted.message)) : "A message that is not here";
  quote.append(make("b", "", author), make("span", "", words));
  return [quote];
}

function drawReactions({ reactions, revoked }) {
  const emoji = Object.values(reactions).filter(Boolean);
  if (revoked || emoji.length === 0) return [];
  const chip = make("span", "reactions", emoji.join(""));
  chip.setAttribute("role", "img");
  chip.setAttribute("aria-label", `Reactions: ${emoji.join(" ")}`);
  return [chip];
}

export function drawTicks(status) {
  const [ticks, meaning] = TICKS[status] ?? TICKS.sent;
  const mark = make("span", `tick ${status}`, ` ${ticks}`);
  mark.title = meaning;
  mark.setAttribute("role", "img");
  mark.setAttribute("aria-label", meaning);
  return mark;
}
