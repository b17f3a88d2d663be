// What the console does in the browser: times in the reader's zone, keys, dialogs, and looking again when the
// server says that something happened. It writes text only, never markup.
"use strict";

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
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
  for (const field of $$("textarea, .send, [data-pick]", composer)) field.disabled = closed;
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
  if (detail.target.id === "dialog-body" && !$("#dialog").open) $("#dialog").showModal();
  if (detail.target.id === "pane") {
    listen();
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
document.addEventListener("htmx:responseError", () => toast(document.body.dataset.failed));
document.addEventListener("htmx:sendError", () => toast(document.body.dataset.offline));
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.successful) toast("");
});
document.addEventListener("replied", () => {
  const body = $("#body");
  if (!body) return;
  body.value = "";
  $("#preview").replaceChildren();
  $("#problem").replaceChildren();
  drop("quoted");
  drop("attachment");
  $(".scroll").scrollTop = 0; // the newest: the scroll begins at the bottom
  body.focus();
});

document.addEventListener("sent", () => {
  for (const dialog of $$("dialog[open]")) dialog.close();
  $(".scroll").scrollTop = 0;
});

// --- what goes with an answer ----------------------------------------------------------------------------------------

let upload = null;

function drop(name) {
  const composer = $(".composer");
  composer.elements[name].value = "";
  $(name === "quoted" ? "#quoting" : "#attached").hidden = true;
  if (name !== "attachment") return;
  upload?.abort();
  upload = null;
  $("#file").value = "";
  $(".send").disabled = false;
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
  const size = new Intl.NumberFormat(language, { maximumFractionDigits: 1 }).format(file.size / 1_048_576);
  const asDocument = most && file.size > most * 1_048_576 ? `, ${line.dataset.asDocument}` : "";
  const place = $("#attached");
  $("p", place).textContent = `${file.name} (${size} MB${asDocument})`;
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
  $(".send").disabled = true;
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
    $(".send").disabled = false;
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
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (target.id === "body" && key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    const { attachment } = target.form.elements;
    if ((target.value.trim() || attachment.value) && !$(".send").disabled) target.form.requestSubmit();
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

document.addEventListener("DOMContentLoaded", () => {
  tidy();
  listen();
  $("#rows")?.addEventListener("scroll", ({ target }) => {
    if (listIsStale && target.scrollTop <= 120) refreshList();
  });
});
