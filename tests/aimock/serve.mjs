// An AI server for tests: OpenAI's and Anthropic's protocols on one port, which is printed when it listens.
// What it does stands in the last message that it is asked: [429], [500], [garbage], [cut], [slow], [passes on], [long];
// with "once" only the first time that it is asked this message, and well afterwards.
import { LLMock } from "@copilotkit/aimock";

const SLOW_MS = 15000;
const seen = new Map();

const said = (request) => {
  const last = request.messages.filter((message) => message.role === "user").at(-1);
  return typeof last.content === "string" ? last.content : last.content.map((part) => part.text ?? "").join("\n");
};
const times = (text) => {
  const before = seen.get(text) ?? 0;
  seen.set(text, before + 1);
  return before;
};
// The word is asked for once a request: whoever is asked counts it.
const does = (word) => (request) => {
  const text = said(request);
  if (text.includes(`[${word}]`)) return true;
  return text.includes(`[${word} once]`) && times(text) === 0;
};
const reply = (text, route = "assistant") => ({ content: JSON.stringify({ reply: text, route, reason: "" }) });
const refusal = (status) => ({ error: { message: "no", type: "error" }, status });
const on = (word, response, options = {}) => mock.on({ predicate: does(word) }, response, options);

const mock = new LLMock({ port: 0, host: "127.0.0.1", logLevel: "silent", journalMaxEntries: 50 });
on("429", refusal(429));
on("500", refusal(500));
on("garbage", { content: "\u0000<html>no JSON at all" });
on("cut", reply("half an ans"), { chaos: { disconnectRate: 1 } });
on("broken", reply("half an ans"), { chaos: { malformedRate: 1 } });
on("slow", reply("Too late."), { chaos: { latencyMs: SLOW_MS } });
on("passes on", reply("A colleague takes over.", "person"));
on("long", (request) =>
  said(request).includes("characters") ? reply("In short: yes.") : reply("A sentence that goes on. ".repeat(80)));
mock.on({ predicate: () => true }, (request) => reply(`Noted: ${said(request).slice(0, 60)}`));
await mock.start();
console.log(mock.url);
process.stdin.on("end", () => process.exit(0)).resume(); // it ends with whoever started it
