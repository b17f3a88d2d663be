// The page of phones: whose chat is open, what is in it, and what happens while it is open.

import { drawBreaking, loadFaults, showFaults } from "./breaking.js";
import { fold, targetOf } from "./chat.js";
import { clearDraft, drawComposer } from "./composer.js";
import { closeMenu } from "./menu.js";
import { loadSessions, showSession } from "./pairing.js";
import { drawSettings, loadClock, showClock, showPhone } from "./settings.js";
import { at, attempt, call, make } from "./talk.js";
import { drawItem, drawTicks } from "./thread.js";

const SHOWN = 500; // messages of a chat that the page keeps
const PAGE = 10000; // messages in one answer of the control API
const TYPING_MS = 25000; // WhatsApp's own limit of the typing indicator

const state = { phones: new Map(), channels: [], phone: null, channel: null, entries: new Map(), unread: new Map() };

let isAtEnd = true;

drawBreaking();
drawSettings(changePhone, write);
drawComposer(write, () => state.phone);
listen();
watch();

function watch() {
  const events = new EventSource("/_sim/events");
  events.onopen = () => { at("link").hidden = true; attempt(loadWorld); };
  events.onerror = () => { at("link").hidden = false; };
  events.addEventListener("messages", (event) => JSON.parse(event.data).forEach(take));
  events.addEventListener("typing", (event) => showTyping(JSON.parse(event.data)));
  events.addEventListener("phone", (event) => learnPhone(JSON.parse(event.data)));
  events.addEventListener("faults", (event) => showFaults(JSON.parse(event.data)));
  events.addEventListener("session", (event) => showSession(JSON.parse(event.data)));
  events.addEventListener("clock", (event) => showClock(JSON.parse(event.data)));
  events.addEventListener("resync", () => attempt(loadWorld));
}

async function loadWorld() {
  const world = await call("GET", "/_sim/state");
  state.channels = world.channels;
  state.phones = new Map(world.phones.map((phone) => [phone.number, phone]));
  const [phone, channel] = location.hash.slice(1).split("/");
  state.phone = [state.phone, phone].find((number) => state.phones.has(number)) ?? world.phones[0]?.number ?? null;
  state.channel = [state.channel, channel].find(isChannel) ?? state.channels[0]?.number ?? null;
  drawChannels();
  await Promise.all([openPhone(state.phone), loadFaults(), loadClock(), loadSessions()]);
}

const isChannel = (number) => state.channels.some((channel) => channel.number === number);

async function openPhone(number) {
  state.phone = number;
  state.unread.delete(number);
  state.entries.clear();
  drawPhones();
  if (number === null) return;
  const [phone, entries] = await Promise.all([call("GET", `/_sim/phones/${number}`), loadMessages(number)]);
  if (state.phone !== number) return; // somebody clicked on
  learnPhone(phone);
  entries.forEach((entry) => state.entries.set(entry.seq, entry));
  openChat(state.channel);
}

async function loadMessages(number) {
  let entries = [];
  for (let page = null; page === null || page.length === PAGE;) {
    page = await call("GET", `/_sim/phones/${number}/messages?after=${entries.at(-1)?.seq ?? 0}`);
    entries = entries.concat(page).slice(-SHOWN);
  }
  return entries;
}

function openChat(channel) {
  state.channel = channel;
  at("channel").value = channel ?? "";
  if (state.phone) history.replaceState(null, "", `#${state.phone}${channel ? `/${channel}` : ""}`);
  hideTyping();
  clearDraft();
  drawChat();
  readChat();
}

function take(entry) {
  if (!state.phones.has(entry.phone)) learnPhone({ number: entry.phone, name: `Phone ${entry.phone.slice(-4)}` });
  if (entry.phone !== state.phone) {
    if (entry.direction === "to_phone" && entry.status === "delivered") countUnread(entry.phone);
    return;
  }
  const known = state.entries.get(entry.seq);
  state.entries.set(entry.seq, entry);
  if (entry.channel !== state.channel) return;
  if (entry.direction === "to_phone" && !known) hideTyping();
  updateChat(entry, known);
  readChat();
}

function readChat() {
  if (document.visibilityState !== "visible") return;
  const unread = chatEntries().filter((entry) => entry.direction === "to_phone" && entry.status === "delivered");
  if (unread.length === 0) return;
  const order = { up_to: unread.at(-1).seq, channel: state.channel };
  attempt(() => call("POST", `/_sim/phones/${state.phone}/read`, order));
}

const chatEntries = () => [...state.entries.values()]
  .filter((entry) => entry.channel === state.channel)
  .sort((one, other) => one.seq - other.seq);

const chatItems = () => fold(chatEntries());

// --- what people do

function listen() {
  at("channel").addEventListener("change", (event) => openChat(event.target.value));
  at("add").addEventListener("submit", (event) => { event.preventDefault(); addPhone(event.target); });
  at("adding").addEventListener("toggle", suggestNumber);
  document.addEventListener("visibilitychange", readChat);
  stayAtEnd();
  document.addEventListener("click", (event) => { if (!event.target.closest(".menu, .more")) closeMenu(); });
  if (matchMedia("(max-width: 900px)").matches) {
    for (const panel of document.querySelectorAll(".side details, #trying")) panel.open = false;
  }
}

function write(message) {
  const order = { to: state.channel ?? "", message };
  return attempt(() => call("POST", `/_sim/phones/${state.phone}/send`, order));
}

async function addPhone(form) {
  const { name, number } = Object.fromEntries(new FormData(form));
  const phone = await attempt(() => call("PUT", `/_sim/phones/${number}`, { name }));
  if (!phone) return;
  form.reset();
  at("adding").open = false;
  learnPhone(phone);
  await attempt(() => openPhone(number));
  at("text").focus();
}

function suggestNumber() {
  const field = at("add").elements.number;
  if (at("adding").open && !field.value) field.value = `155501${String(Math.random()).slice(2, 7)}`;
}

function changePhone(changes) {
  return attempt(() => call("PUT", `/_sim/phones/${state.phone}`, changes));
}

// --- what people see

function learnPhone(phone) {
  state.phones.set(phone.number, { ...state.phones.get(phone.number), ...phone });
  drawPhones();
}

function countUnread(number) {
  state.unread.set(number, (state.unread.get(number) ?? 0) + 1);
  drawPhones();
}

function drawPhones() {
  at("phones").replaceChildren(...[...state.phones.values()].slice(0, 200).map(drawPerson));
  const phone = state.phones.get(state.phone);
  if (!phone) return;
  at("owner").textContent = `${phone.name}’s phone`;
  at("avatar").textContent = initial(phone.name);
  showPhone(phone);
}

function drawPerson(phone) {
  const button = make("button", "person");
  const words = make("span");
  words.append(make("b", "", phone.name), make("small", "", phone.number));
  button.append(make("span", "avatar", initial(phone.name)), words);
  const unread = state.unread.get(phone.number);
  if (unread) button.append(make("em", "badge", String(unread)));
  if (phone.number === state.phone) button.setAttribute("aria-current", "true");
  button.addEventListener("click", async () => {
    await attempt(() => openPhone(phone.number));
    at("text").focus();
  });
  const item = make("li");
  item.append(button);
  return item;
}

function drawChannels() {
  at("channel").replaceChildren(...state.channels.map(({ number }) => new Option(`+${number}`, number)));
  at("channel").disabled = state.channels.length < 2;
}

const draw = (item, items) => drawItem(item, { items, phone: state.phone, write });

function drawChat() {
  const items = chatItems();
  const list = [];
  let day = "";
  for (const item of items.slice(-SHOWN)) {
    const date = dateOf(item);
    if (date.toDateString() !== day) list.push(make("li", "day", nameDay(date)));
    day = date.toDateString();
    list.push(draw(item, items));
  }
  at("messages").replaceChildren(...list);
  at("empty").textContent = list.length ? "" : explainEmptiness();
  scrollDown();
}

// What is new is added and what changed is exchanged, so that a screen reader reads only that and no sound stops.
function updateChat(entry, known) {
  const target = targetOf(entry.message);
  const items = chatItems();
  const item = items.find((one) => (target ? one.message.id === target : one.entry.seq === entry.seq));
  if (!item) return;
  const drawn = at("messages").querySelector(`[data-seq="${item.entry.seq}"]`);
  if (known) {
    if (entry.direction === "from_phone") drawn?.querySelector(".tick")?.replaceWith(drawTicks(entry.status));
  } else if (drawn) drawn.replaceWith(draw(item, items));
  else if (item !== items.at(-1) || items.length === 1) drawChat();
  else append(item, items);
}

function append(item, items) {
  const before = items.at(-2);
  if (dateOf(before).toDateString() !== dateOf(item).toDateString()) {
    at("messages").append(make("li", "day", nameDay(dateOf(item))));
  }
  at("messages").append(draw(item, items));
  scrollDown();
}

function scrollDown() {
  isAtEnd = true;
  at("chat").scrollTop = at("chat").scrollHeight;
}

// Pictures have no height before they are there.
function stayAtEnd() {
  at("chat").addEventListener("scroll", () => {
    const { scrollHeight, scrollTop, clientHeight } = at("chat");
    isAtEnd = scrollHeight - scrollTop - clientHeight < 60;
  });
  for (const arrived of ["load", "loadedmetadata", "error"]) {
    at("messages").addEventListener(arrived, () => { if (isAtEnd) scrollDown(); }, true);
  }
}

function explainEmptiness() {
  if (state.channels.length === 0) return "No business number is connected yet. The demo connects one by itself.";
  return "No messages yet. Say hello!";
}

const dateOf = ({ entry }) => new Date(entry.at * 1000);

function nameDay(date) {
  const isToday = date.toDateString() === new Date().toDateString();
  return isToday ? "Today" : date.toLocaleDateString([], { day: "numeric", month: "long", year: "numeric" });
}

function showTyping({ phone, channel }) {
  if (phone !== state.phone || channel !== state.channel) return;
  clearTimeout(showTyping.timer);
  showTyping.timer = setTimeout(hideTyping, TYPING_MS);
  at("typing").hidden = false;
  scrollDown();
}

function hideTyping() {
  clearTimeout(showTyping.timer);
  at("typing").hidden = true;
}

const initial = (name) => [...name.trim()][0]?.toUpperCase() ?? "?";
