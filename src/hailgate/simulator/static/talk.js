// Talking to the simulator, and making elements: every text by textContent.

export const at = (id) => document.getElementById(id);

export async function call(method, path, body) {
  return answered(await fetch(path, { method, body: body === undefined ? undefined : JSON.stringify(body) }));
}

export async function upload(path, file) {
  const type = file.type || "application/octet-stream";
  return answered(await fetch(path, { method: "POST", body: file, headers: { "content-type": type } }));
}

async function answered(answer) {
  const text = await answer.text();
  const value = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Error(value?.detail ?? answer.statusText);
  return value;
}

export async function attempt(deed) {
  try {
    at("problem").textContent = "";
    return await deed();
  } catch (error) {
    at("problem").textContent = error.message;
    return undefined;
  }
}

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

export function makeButton(className, text, deed) {
  const button = make("button", className, text);
  button.type = "button";
  button.addEventListener("click", deed);
  return button;
}

// Only web addresses become links: a message may name javascript: or worse.
export function makeLink(className, text, address) {
  const link = make(/^https?:\/\//i.test(address) ? "a" : "span", className, text);
  if (link.tagName === "A") {
    link.href = address;
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  link.title = address;
  return link;
}
