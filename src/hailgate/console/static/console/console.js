// What the console does in the browser: times in the reader's zone, keys, dialogs, and looking again when the
// server says that something happened. It writes text only, never markup.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
// As the server searches: without accents and capitals.
const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
const language = document.documentElement.lang || "en";

// --- times -----------------------------------------------------------------------------------------------------------

const shapes = {
  clock: { hour: "2-digit", minute: "2-digit" },
  full: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  exact: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" },
  date: { day: "numeric", month: "short" },
  weekday: { weekday: "short" },
  day: { weekday: "long", day: "numeric", month: "long" },
};
const formats = Object.fromEntries(
  Object.entries(shapes).map(([name, shape]) => [name, new Intl.DateTimeFormat(language, shape)]),
);
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });

function daysAgo(at, now = new Date()) {
  const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((midnight(now) - midnight(at)) / 86_400_000);
}

function tell(at, shape) {
  const days = daysAgo(at);
  if (shape === "short") {
    return formats[days <= 0 ? "clock" : days < 7 ? "weekday" : "date"].format(at);
  }
  if (shape === "day" && days >= 0 && days < 2) {
    return relative.format(-days, "day");
  }
  return formats[shape].format(at);
}

function showTimes() {
  for (const time of $$("time[data-shape]")) {
    const at = new Date(time.dateTime);
    time.textContent = tell(at, time.dataset.shape);
    time.title = at.toLocaleString(language);
  }
  let before = null;
  for (const bubble of $$(".bubble")) {
    const day = new Date($(".day time", bubble).dateTime).toDateString();
    bubble.classList.toggle("first-of-day", day !== before);
    before = day;
  }
}

// --- the inbox -------------------------------------------------------------------------------------------------------

const openConversation = () => $(".thread")?.dataset.conversation ?? "";

function markCurrent() {
  const current = openConversation();
  for (const row of $$("#rows .row")) {
    if (current && row.parentElement.id === `row-${current}`) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
  const unread = Number($("#unread")?.dataset.count ?? 0);
  const title = document.title.replace(/^\(\d+\+?\) /, "");
  document.title = unread ? `(${unread > 99 ? "99+" : unread}) ${title}` : title;
}

function followWindow() {
  const composer = $(".composer");
  if (!composer) return;
  const closed = $("#window")?.dataset.open === "no";
  composer.classList.toggle("closed", closed);
  for (const field of $$("textarea, [data-pick], [data-pick-pattern]", composer)) field.disabled = closed;
  allowSending(composer);
}

/** A closed window, too many characters and a file on its way each forbid it; none of them forgets the others. */
function allowSending(composer) {
  const body = $("#body", composer);
  const tooLong = body.value.length > Number(body.dataset.longest);
  $(".send", composer).disabled = tooLong || $("#window")?.dataset.open === "no" || uploading(composer);
}

function step(by) {
  const rows = $$("#rows .row");
  const at = rows.findIndex((row) => row.hasAttribute("aria-current"));
  const next = rows[at < 0 ? 0 : at + by];
  if (!next) return;
  next.click();
  next.scrollIntoView({ block: "nearest" });
}

function tidy() {
  showTimes();
  markCurrent();
  followWindow();
}

// --- looking again ---------------------------------------------------------------------------------------------------

let stream = null;
let streamOf = null;
let listIsStale = false;

function refresh(selector) {
  const element = $(selector);
  if (element) htmx.trigger(element, "refresh");
}

function refreshList() {
  const list = $("#rows");
  if (!list) return;
  // Whoever reads further down is not thrown back to the top; the list catches up when they return there.
  listIsStale = list.scrollTop > 120;
  if (!listIsStale) refresh("#rows");
}

function listen() {
  const place = $("[data-live]");
  const wanted = place && !document.hidden ? openConversation() : null;
  if (stream && wanted === streamOf) return;
  stream?.close();
  stream = null;
  streamOf = wanted;
  if (wanted === null) return;
  stream = new EventSource(`${place.dataset.live}?conversation=${encodeURIComponent(wanted)}`);
  stream.addEventListener("list", refreshList);
  stream.addEventListener("thread", () => refresh("#messages"));
  stream.addEventListener("over", () => location.reload());
  stream.addEventListener("open", () => toast(""));
  stream.addEventListener("error", () => {
    toast(document.body.dataset.offline);
    if (stream?.readyState === EventSource.CLOSED) {
      stream = null;
      streamOf = null;
      setTimeout(listen, 3000);
    }
  });
}

// A hidden tab holds no connection: a browser has six for each site.
document.addEventListener("visibilitychange", listen);

// --- what is said in passing -----------------------------------------------------------------------------------------

function toast(words) {
  const place = $("#toasts");
  if (!place) return;
  place.replaceChildren();
  if (!words) return;
  const note = document.createElement("p");
  note.textContent = words;
  place.append(note);
}

// --- htmx ------------------------------------------------------------------------------------------------------------

document.addEventListener("htmx:configRequest", ({ detail }) => {
  // A form that was fetched beside the thread asks for as much of it as is open.
  if (detail.elt.matches(".filling")) detail.parameters.since = $(".composer").elements.since.value;
  // A thread that is in sight is seen.
  if (detail.elt.id === "messages" && !document.hidden) detail.parameters.seen = "1";
});
document.addEventListener("htmx:afterSettle", ({ detail }) => {
  tidy();
  const filled = $("#dialog-body [data-insert]");
  if (filled) insert(filled);
  else if (detail.target.id === "dialog-body" && !$("#dialog").open) $("#dialog").showModal();
  if (detail.target.id === "pane") {
    listen();
    bringDraft();
    refresh("#rows");
    if (matchMedia("(min-width: 48rem)").matches) $("#body")?.focus();
  }
});
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  // What is wrong with an answer is said in its form, not in place of the messages.
  const place = detail.xhr.status === 422 && $("#problem, .problem", detail.requestConfig.elt);
  if (place) {
    detail.target = place;
    detail.swapOverride = "innerHTML";
  }
});
document.addEventListener("htmx:beforeRequest", (event) => {
  // The second click of two comes when the answer has gone.
  if (event.detail.elt.matches(".composer") && !hasWords(event.detail.elt)) event.preventDefault();
});
// Said by the server, or by a proxy before it, of a request that nobody has looked at: the same one may pass later.
const AWAY = new Set([408, 429, 502, 503, 504]);
document.addEventListener("htmx:responseError", (event) => failed(event, AWAY.has(event.detail.xhr.status)));
document.addEventListener("htmx:sendError", (event) => failed(event, true));
document.addEventListener("htmx:timeout", (event) => failed(event, true));
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.successful) {
    if (detail.xhr.status === 422 && isAnswer(detail)) stopTrying($("#body", detail.elt));
    return;
  }
  if (isAnswer(detail)) stopTrying($("#body", detail.elt));
  // What nobody asked for takes back nothing but what it said itself.
  const own = !asksByItself(detail) && detail.elt.id !== "body";
  if (own || $("#toasts")?.textContent === document.body.dataset.offline) toast("");
});

const isAnswer = ({ elt }) => elt.matches?.(".composer") ?? false;
// The page asks by itself, and does so again; nothing else is done a second time unless somebody wants it.
const asksByItself = ({ requestConfig }) => "X-Background" in requestConfig.headers;

function failed({ detail }, away) {
  const words = document.body.dataset;
  if (isAnswer(detail)) return away ? tryAgain(detail.elt) : notSent(detail.elt);
  if (detail.elt.id === "body") return; // a preview: the answer itself will tell
  toast(!away ? words.failed : asksByItself(detail) ? words.offline : words.notDone);
}

document.addEventListener("replied", () => {
  const body = $("#body");
  if (!body) return;
  body.value = "";
  keepDraft();
  $("#preview").replaceChildren();
  $("#problem").replaceChildren();
  drop("quoted");
  drop("attachment");
  $(".scroll").scrollTop = 0; // the newest: the scroll begins at the bottom
  body.focus();
});

// What a pattern says goes where the cursor was, and is sent from there.
function insert(filled) {
  const body = $("#body");
  body.setRangeText(filled.textContent, body.selectionStart, body.selectionEnd, "end");
  filled.remove();
  for (const dialog of $$("dialog[open]")) dialog.close();
  body.dispatchEvent(new Event("input", { bubbles: true }));
  body.focus();
}

document.addEventListener("sent", () => {
  for (const dialog of $$("dialog[open]")) dialog.close();
  $(".scroll").scrollTop = 0;
});

// --- drafts: what is half written stays with its conversation, in this browser --------------------------------------

const draftKey = () => `draft:${document.body.dataset.operator}:${openConversation()}`;

function keepDraft() {
  const body = $("#body");
  if (!body || !openConversation()) return;
  if (body.value.trim()) localStorage.setItem(draftKey(), body.value);
  else localStorage.removeItem(draftKey());
}

function bringDraft() {
  const body = $("#body");
  const kept = body && !body.value ? localStorage.getItem(draftKey()) : null;
  if (!kept) return;
  body.value = kept;
  body.dispatchEvent(new Event("input", { bubbles: true }));
}

function forgetDrafts() {
  for (const key of Object.keys(localStorage)) if (key.startsWith("draft:")) localStorage.removeItem(key);
}

function measure(body) {
  const over = body.value.length - Number(body.dataset.longest);
  const form = body.form;
  allowSending(form);
  if (over > 0) complain(`${form.dataset.tooLong} ${over}`);
  else if (form.dataset.measured) $("#problem").replaceChildren();
  form.dataset.measured = over > 0 ? "1" : "";
}

// --- an answer that could not be handed in is tried again, under the same name: it is stored once --------------------

let trying = null;

function tryAgain(form) {
  const body = $("#body", form);
  body.readOnly = true;
  const note = document.createElement("p");
  note.className = "trouble";
  note.textContent = `${form.dataset.trying} `;
  const stop = document.createElement("button");
  Object.assign(stop, { type: "button", className: "btn", textContent: form.dataset.stop });
  stop.dataset.size = "sm";
  stop.addEventListener("click", () => notSent(form));
  note.append(stop);
  $("#problem", form).replaceChildren(note);
  clearTimeout(trying);
  trying = setTimeout(() => form.isConnected && form.requestSubmit(), 3000);
}

function stopTrying(body) {
  clearTimeout(trying);
  trying = null;
  if (body) body.readOnly = false;
}

function notSent(form) {
  stopTrying($("#body", form));
  complain(form.dataset.notSent);
}

const hasWords = ({ elements }) => Boolean(elements.body.value.trim() || elements.attachment.value);

// --- what goes with an answer ----------------------------------------------------------------------------------------

let upload = null;

const uploading = (composer) => Boolean(upload && !$("progress", composer).hidden);

function drop(name) {
  const composer = $(".composer");
  composer.elements[name].value = "";
  $(name === "quoted" ? "#quoting" : "#attached").hidden = true;
  if (name !== "attachment") return;
  upload?.abort();
  upload = null;
  $("#file").value = "";
  allowSending(composer);
}

function complain(words) {
  const note = document.createElement("p");
  note.className = "trouble";
  note.textContent = words;
  $("#problem").replaceChildren(note);
}

function attach(file) {
  const line = $(".composer .line");
  if (!file || !line || $("#body").disabled) return;
  drop("attachment");
  $("#problem").replaceChildren();
  if (file.size > Number(line.dataset.most)) return complain(line.dataset.tooLarge);
  const most = { image: 5, audio: 16, video: 16 }[file.type.split("/")[0]];
  const [unit, whole] = file.size < 1_048_576 ? ["KB", 1024] : ["MB", 1_048_576];
  const size = new Intl.NumberFormat(language, { maximumFractionDigits: unit === "KB" ? 0 : 1 }).format(Math.max(file.size / whole, unit === "KB" ? 1 : 0));
  const asDocument = most && file.size > most * 1_048_576 ? `, ${line.dataset.asDocument}` : "";
  const place = $("#attached");
  $("p", place).textContent = `${file.name} (${size} ${unit}${asDocument})`;
  place.hidden = false;
  send(file, place, line);
  $("#body").focus();
}

function send(file, place, line) {
  const bar = $("progress", place);
  const request = new XMLHttpRequest();
  const failed = (words) => {
    if (upload !== request) return;
    drop("attachment");
    complain(words || line.dataset.notStored);
  };
  upload = request;
  bar.hidden = false;
  bar.value = 0;
  allowSending($(".composer"));
  request.open("POST", "/console/media");
  request.responseType = "json";
  request.setRequestHeader("X-Hailgate-Console", "1");
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.setRequestHeader("Content-Disposition", `attachment; filename*=UTF-8''${encodeURIComponent(file.name)}`);
  request.upload.addEventListener("progress", ({ loaded, total }) => { bar.value = total ? loaded / total : 0; });
  request.addEventListener("error", () => failed());
  request.addEventListener("load", () => {
    if (request.status !== 201) return failed(request.response?.detail);
    if (upload !== request) return;
    $(".composer").elements.attachment.value = request.response.id;
    bar.hidden = true;
    allowSending($(".composer"));
  });
  request.send(file);
}

function quote(bubble) {
  const words = $(".text, .kind, .header, .file span, .place strong", bubble)?.textContent ?? "";
  $(".composer").elements.quoted.value = bubble.id.slice(2);
  $("#quoting p").textContent = words.replace(/\s+/g, " ").slice(0, 120) || "…";
  $("#quoting").hidden = false;
  $("#body").focus();
}

function react(bubble) {
  const form = $("#reacting form");
  form.reset();
  $(".problem", form).replaceChildren();
  form.elements.message.value = bubble.id.slice(2);
  $("#reacting").showModal();
}

document.addEventListener("dragover", (event) => {
  if (!$(".composer") || !event.dataTransfer.types.includes("Files")) return;
  event.preventDefault();
  $(".thread").classList.add("dropping");
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) $(".thread")?.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  if (!$(".composer") || !event.dataTransfer.files.length) return;
  event.preventDefault();
  $(".thread").classList.remove("dropping");
  attach(event.dataTransfer.files[0]);
});
document.addEventListener("paste", ({ target, clipboardData }) => {
  if (target.id === "body" && clipboardData.files.length) attach(clipboardData.files[0]);
});

// --- clicks and keys -------------------------------------------------------------------------------------------------

function showPicture(link) {
  const picture = $("img", link).cloneNode();
  picture.className = "enlarged";
  picture.removeAttribute("loading");
  $("#dialog-body").replaceChildren(picture);
  $("#dialog").showModal();
}

document.addEventListener("click", (event) => {
  const { target } = event;
  const picture = target.closest("[data-picture]");
  if (picture && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    showPicture(picture);
  }
  if (target.closest("[data-pick]")) $("#file").click();
  const copier = target.closest("[data-copies]");
  if (copier) navigator.clipboard.writeText(document.getElementById(copier.dataset.copies).textContent);
  if (target.closest("[data-quote]")) quote(target.closest(".bubble"));
  if (target.closest("[data-react]")) react(target.closest(".bubble"));
  const dropped = target.closest("[data-drop]");
  if (dropped) drop(dropped.dataset.drop);
  const opener = target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  if (target.closest("[data-theme-switch]")) {
    const dark = document.documentElement.classList.toggle("dark");
    localStorage.setItem("theme", dark ? "dark" : "light");
  }
  if (target.closest("[data-panel]")) $("#pane").classList.toggle("with-panel");
  for (const menu of $$("details.menu[open]")) if (!menu.contains(target)) menu.open = false;
  if (target.matches("dialog")) target.close(); // beside the dialog is outside it
});

document.addEventListener("change", ({ target }) => {
  if (target.id === "file") attach(target.files[0]);
  if (target.dataset.all) for (const box of $$(`input[name=${target.dataset.all}]`)) box.checked = target.checked;
  for (const button of $$("[data-needs]")) button.disabled = !$(`input[name=${button.dataset.needs}]:checked`);
});

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  // Safari ends a composition before the Enter that ends it, which then has the code 229.
  if (event.isComposing || event.keyCode === 229 || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.id === "body" && key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    if (hasWords(target.form) && !$(".send").disabled) target.form.requestSubmit();
    return;
  }
  if ($("dialog[open]")) return;
  if (key === "Escape") {
    if (target.matches("input, textarea")) target.blur();
    else if ($(".thread")) $(".back").click();
    return;
  }
  if (target.matches("input, textarea, select")) return;
  const keys = {
    "/": () => $("#search")?.focus(),
    j: () => step(1),
    k: () => step(-1),
    r: () => $("#body")?.focus(),
    a: () => $("[data-pick]:enabled")?.click(),
    t: () => $(".tool.always")?.click(),
    "?": () => $("#keys")?.showModal(),
  };
  if (keys[key]) {
    event.preventDefault();
    keys[key]();
  }
});

document.addEventListener("input", ({ target }) => {
  if (target.id === "body") {
    keepDraft();
    measure(target);
  }
  if (target.dataset?.narrows) {
    const words = fold(target.value);
    for (const each of $$(target.dataset.narrows)) each.hidden = !fold(each.textContent).includes(words);
  }
});

document.addEventListener("submit", ({ target }) => {
  if (target.matches("[data-forgets]")) forgetDrafts();
});

document.addEventListener("DOMContentLoaded", () => {
  tidy();
  bringDraft();
  if (new URLSearchParams(location.search).has("template")) $(".tool.always")?.click();
  listen();
  $("#rows")?.addEventListener("scroll", ({ target }) => {
    if (listIsStale && target.scrollTop <= 120) refreshList();
  });
});
