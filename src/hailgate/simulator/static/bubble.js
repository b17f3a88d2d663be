// How each kind of message looks on the phone.

import { call, make, makeButton, makeLink } from "./talk.js";

const MARKS = [["*", "b"], ["_", "i"], ["~", "s"], ["`", "code"]];
const BLOCKS = /\n?(```[^]+?```|^> .*(?:\n> .*)*)\n?/m;
const MARKED = /([*_~`])(?=\S)([^\n]*?\S)\1(?![\p{L}\p{N}])/u;

// `answer` sends a message from this phone; `quote` is the context that names this one.
export function drawContent({ entry, message }, phone, answer) {
  const content = message[message.type];
  const quote = { message_id: message.id };
  switch (message.type) {
    case "text": return [drawText(content.body), ...drawMentions(content)];
    case "image": case "video": case "audio": case "document": case "sticker":
      return [drawMedium(message.type, content, () => play(entry, phone)), ...drawCaption(content.caption)];
    case "location": return [drawLocation(content)];
    case "contacts": return content.map(drawCard);
    case "interactive": return drawInteractive(content, (reply) => answer({ ...reply, context: quote }));
    case "template": return drawTemplate(message, (reply) => answer({ ...reply, context: quote }));
    case "button": return [drawText(content.text)];
    case "order": return [drawOrder(content)];
    case "poll": return [drawPoll(content, (options) => answer({ type: "poll_vote", poll_vote: { message_id: message.id, options } }))];
    case "poll_vote": return [drawText(content.options.length ? `Voted: ${content.options.join(", ")}` : "Vote taken back")];
    case "deleted": return [make("span", "odd", "This message was deleted")];
    case "unsupported": return [make("span", "odd", `Something that WhatsApp tells no business: ${content?.type ?? "unknown"}`)];
    default: return [make("span", "odd", `[${message.type}]`)];
  }
}

function play(entry, phone) {
  if (entry.direction === "to_phone") call("POST", `/_sim/phones/${phone}/play`, { seq: entry.seq }).catch(() => {});
}

// WhatsApp's own formatting, as elements.
export function drawText(text, className = "body") {
  const span = make("span", className);
  span.append(...String(text).split(BLOCKS).flatMap(drawBlock));
  return span;
}

function drawBlock(text) {
  if (/^```[^]+```$/.test(text)) return [make("code", "block", text.slice(3, -3).trim())];
  if (!text.startsWith("> ")) return format(text);
  const said = make("span", "said");
  said.append(...format(text.replace(/^> /gm, "")));
  return [said];
}

function format(text) {
  const match = MARKED.exec(text);
  if (!match) return text ? [text] : [];
  const [whole, mark, inner] = match;
  const element = make(MARKS.find(([one]) => one === mark)[1]);
  element.append(...(mark === "`" ? [inner] : format(inner)));
  return [text.slice(0, match.index), element, ...format(text.slice(match.index + whole.length))];
}

const drawCaption = (caption) => (caption ? [drawText(caption)] : []);

function drawMedium(kind, medium, onPlay) {
  if (medium.link) return drawFarMedium(kind, medium);
  const source = `/_sim/files/${encodeURIComponent(medium.id)}`;
  if (kind === "document") return drawDocument(source, medium);
  const element = make({ image: "img", sticker: "img", video: "video", audio: "audio" }[kind], kind);
  if (element.tagName === "IMG") {
    element.alt = kind === "sticker" ? "Sticker" : medium.caption || "Picture";
  } else {
    element.controls = true;
    element.preload = "metadata";
    element.setAttribute("aria-label", medium.voice ? "Voice message" : kind === "audio" ? "Audio" : "Video");
    if (medium.voice) element.addEventListener("play", onPlay, { once: true });
  }
  element.src = source;
  if (kind !== "audio") return element;
  const box = make("span", "sound");
  box.append(make("small", "", medium.voice ? "Voice message" : "Audio"), element);
  return box;
}

// The simulator fetches no link, so that the page asks nobody else; the person may.
function drawFarMedium(kind, medium) {
  const names = { image: "Picture", video: "Video", audio: "Audio", document: "Document", sticker: "Sticker" };
  const card = make("span", "card");
  card.append(make("b", "", medium.filename || names[kind]), makeLink("far", medium.link, medium.link));
  return card;
}

function drawDocument(source, medium) {
  const card = make("a", "card");
  card.href = source;
  card.download = medium.filename ?? "document";
  card.append(make("b", "", medium.filename ?? "Document"), make("small", "", "Press to save"));
  return card;
}

function drawLocation({ latitude, longitude, name, address }) {
  const card = make("span", "card place");
  const map = make("span", "map");
  map.append(make("i", "pin"));
  card.append(map, make("b", "", name || "Location"));
  if (address) card.append(make("small", "", address));
  card.append(make("small", "", `${latitude}, ${longitude}`));
  return card;
}

function drawCard({ name, phones = [], emails = [], org }) {
  const card = make("span", "card");
  card.append(make("b", "", name?.formatted_name ?? "Contact"));
  const lines = [org?.company, ...phones.map(({ phone }) => phone), ...emails.map(({ email }) => email)];
  card.append(...lines.filter(Boolean).map((line) => make("small", "", line)));
  return card;
}

function drawOrder({ product_items: items = [], text }) {
  const card = make("span", "card");
  card.append(make("b", "", "Order"));
  card.append(...items.map((item) => make("small", "", `${item.quantity} × ${item.product_retailer_id}, ${item.item_price} ${item.currency}`)));
  if (text) card.append(make("small", "", text));
  return card;
}

const drawMentions = ({ mentions = [], mention_all: everyone }) => (
  mentions.length || everyone ? [make("small", "footer", `Mentions ${everyone ? "everyone" : mentions.join(", ")}`)] : []);

function drawPoll({ name, options, selectable }, vote) {
  const card = make("span", "card");
  card.append(make("b", "", name));
  card.append(selectable === 1 ? drawChoices(options.map((option) => makeButton("choice", option, () => vote([option]))))
    : drawBallot(options, selectable, vote));
  return card;
}

// One vote for several options; none at all takes it back.
function drawBallot(options, most, vote) {
  const form = make("form", "flow");
  const boxes = options.map((option) => Object.assign(make("input"), { type: "checkbox", value: option }));
  boxes.forEach((box) => {
    const label = make("label");
    label.append(box, ` ${box.value}`);
    form.append(label);
  });
  const chosen = () => boxes.filter((box) => box.checked);
  form.addEventListener("change", () => {
    for (const box of boxes) box.disabled = Boolean(most) && !box.checked && chosen().length >= most;
  });
  form.append(make("small", "", most ? `Up to ${most}` : "As many as you like"), make("button", "choice", "Vote"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    vote(chosen().map((box) => box.value));
  });
  return form;
}

function drawHeader(header) {
  if (!header) return [];
  if (header.type === "text") return [make("b", "header", header.text)];
  const medium = header[header.type];
  return [header.type === "location" ? drawLocation(medium) : drawMedium(header.type, medium)];
}

const drawFooter = (text) => (text ? [make("small", "footer", text)] : []);

function drawChoices(buttons) {
  const choices = make("span", "choices");
  choices.append(...buttons);
  return choices;
}

function drawInteractive(interactive, answer) {
  const reply = interactive.button_reply ?? interactive.list_reply;
  if (reply) return [drawText(reply.title), ...drawFooter(reply.description)];
  if (interactive.nfm_reply) return [drawText(describeForm(interactive.nfm_reply))];
  return [
    ...drawHeader(interactive.header),
    drawText(interactive.body?.text ?? ""),
    ...drawFooter(interactive.footer?.text),
    drawChoices(drawActions(interactive, answer)),
  ];
}

function describeForm({ response_json: json }) {
  try {
    const { flow_token: _, ...fields } = JSON.parse(json);
    return ["Form sent", ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`)].join("\n");
  } catch {
    return "Form sent";
  }
}

const sendReply = (answer, kind, reply) => answer({ type: "interactive", interactive: { type: kind, [kind]: reply } });

const NAMED = {
  catalog_message: "View catalog", order_details: "Review and pay", order_status: "Order status", voice_call: "Call",
  call_permission_request: "May the business call you?", request_contact_info: "Share phone number",
  address_message: "Provide address",
};

function drawActions({ type, action }, answer) {
  const parameters = action.parameters ?? {};
  switch (type) {
    case "button": return action.buttons.map(({ reply }) => (
      makeButton("choice", reply.title, () => sendReply(answer, "button_reply", reply))));
    case "list": return [drawList(action, answer)];
    case "cta_url": return [makeLink("choice", `↗ ${parameters.display_text}`, parameters.url)];
    case "flow": return [drawForm(parameters, answer)];
    case "location_request_message": return [makeButton("choice", "Send location", () => answer(EXAMPLE_PLACE))];
    case "product": return [make("small", "", `Product ${action.product_retailer_id}`)];
    case "product_list": return action.sections.flatMap((section) => section.product_items)
      .map((item) => make("small", "", `Product ${item.product_retailer_id}`));
    case "carousel": return action.cards.map((card) => make("small", "", card.body?.text ?? `Card ${card.card_index + 1}`));
    default: return NAMED[type] ? [make("small", "", NAMED[type])] : [];
  }
}

export const EXAMPLE_PLACE = {
  type: "location",
  location: { latitude: 37.4847, longitude: -122.1477, name: "Example Cafe", address: "1 Example Street" },
};

function drawList({ button, sections }, answer) {
  const list = make("details", "choice");
  list.append(make("summary", "", `☰ ${button}`));
  for (const { title, rows } of sections) {
    if (title) list.append(make("small", "section", title));
    for (const row of rows) {
      const choice = makeButton("row", "", () => { list.open = false; sendReply(answer, "list_reply", row); });
      choice.append(make("b", "", row.title));
      if (row.description) choice.append(make("small", "", row.description));
      list.append(choice);
    }
  }
  return list;
}

// What is in a flow only WhatsApp knows: one free answer stands for all its screens.
function drawForm({ flow_cta: title, flow_token: token }, answer) {
  const form = make("details", "choice");
  const fields = make("form", "flow");
  const label = make("label", "", "Your answer in the form");
  const input = make("input");
  input.required = true;
  input.maxLength = 500;
  label.append(input);
  fields.append(label, make("button", "choice", "Send"));
  fields.addEventListener("submit", (event) => {
    event.preventDefault();
    const json = JSON.stringify({ flow_token: token ?? "unused", answer: input.value });
    sendReply(answer, "nfm_reply", { name: "flow", body: "Sent", response_json: json });
    form.open = false;
  });
  form.append(make("summary", "", `▤ ${title}`), fields);
  return form;
}

function drawTemplate({ template, shown }, answer) {
  if (!shown) return [make("span", "odd", `[template ${template.name}]`)];
  return [
    ...drawHeader(shown.header),
    drawText(shown.body),
    ...drawFooter(shown.footer),
    ...(shown.buttons.length ? [drawChoices(shown.buttons.map((button) => drawTemplateButton(button, answer)))] : []),
  ];
}

function drawTemplateButton(button, answer) {
  switch (button.type) {
    case "quick_reply": return makeButton("choice", button.text, () => (
      answer({ type: "button", button: { payload: button.payload, text: button.text } })));
    case "url": return makeLink("choice", `↗ ${button.text}`, button.url);
    case "copy_code": return makeButton("choice", `⧉ ${button.text}: ${button.code}`, () => navigator.clipboard?.writeText(button.code));
    default: return make("span", "choice", button.phone_number ? `☎ ${button.text}: ${button.phone_number}` : button.text);
  }
}
