// What stands in a chat once edits, deletions and reactions are folded in. Pure.

const FOLDED = new Set(["reaction", "edit", "revoke"]);
const NOTES = {
  system: (message) => describeSystem(message.system),
  user_preferences: (message) => (message.user_preferences.value === "stop"
    ? "You told the business: no more marketing, please." : "You told the business: marketing is welcome again."),
  call: (message) => (message.call.event === "connect" ? "You call the business." : "The call has ended."),
};

// Items in their order: {entry, message, reactions, edited, revoked}, the message as it reads now.
export function fold(entries) {
  const items = new Map();
  for (const entry of entries) {
    const { message } = entry;
    if (FOLDED.has(message.type)) apply(items, entry);
    else items.set(message.id, { entry, message, reactions: {}, edited: false, revoked: false });
  }
  return [...items.values()];
}

function apply(items, { direction, message }) {
  const target = items.get(targetOf(message));
  if (!target) return;
  if (message.type === "reaction") target.reactions[direction] = message.reaction.emoji ?? "";
  if (message.type === "revoke") target.revoked = true;
  if (message.type === "edit") {
    target.message = { ...target.message, ...message.edit.message, id: target.message.id };
    target.edited = true;
  }
}

// The id of the message that this one changes; null for one that stands for itself.
export function targetOf(message) {
  if (message.type === "reaction") return message.reaction?.message_id ?? null;
  if (message.type === "edit") return message.edit?.original_message_id ?? null;
  if (message.type === "revoke") return message.revoke?.original_message_id ?? null;
  return null;
}

export const noteOf = (message) => NOTES[message.type]?.(message) ?? null;

function describeSystem(system) {
  if (system.type === "user_changed_number") return `This person now has the number ${system.wa_id}.`;
  if (system.type === "user_changed_user_id") return `This person now has the user id ${system.user_id}.`;
  return "The security code of this chat has changed.";
}

// One line of any message: for quotes.
export function summarise(message) {
  const content = message[message.type];
  switch (message.type) {
    case "text": return content.body;
    case "image": return content.caption || "Picture";
    case "video": return content.caption || "Video";
    case "audio": return content.voice ? "Voice message" : "Audio";
    case "sticker": return "Sticker";
    case "document": return content.filename || content.caption || "Document";
    case "location": return content.name || "Location";
    case "contacts": return content.map((card) => card.name?.formatted_name).join(", ");
    case "button": return content.text;
    case "template": return message.shown?.body ?? content.name;
    case "interactive": return (content.button_reply ?? content.list_reply)?.title ?? content.body?.text ?? "Form";
    default: return message.type;
  }
}
