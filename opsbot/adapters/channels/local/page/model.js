// What the page knows: who reads it, the chats, and what was said in them.

const KEPT_PER_CHAT = 400;

export const model = { me: null, seen: 0, open: "", chats: new Map() };

export const openChat = () => model.chats.get(model.open);

export const isMine = (message) => !message.byBot && message.sender === model.me.id;

/** Forget everything that belongs to a person or to a state of the daemon that is gone. */
export function forget() {
  model.seen = 0;
  model.open = "";
  model.chats.clear();
}

/** Learn who we are and which chats there are; those that are known keep what was said. */
export function learn(me) {
  model.me = me;
  for (const { chat, name, is_room: isRoom } of me.chats) {
    if (!model.chats.has(chat)) model.chats.set(chat, { chat, name, isRoom, messages: [], unread: 0, draft: "" });
  }
}

/** Take in one entry of the history; gives the chat, the message, and whether it is new there. Null for a chat we do not show. */
export function take(entry) {
  model.seen = Math.max(model.seen, entry.seq);
  const chat = model.chats.get(entry.chat);
  if (!chat) return null;
  const known = chat.messages.findLast((message) => message.id === entry.id) ?? echoOf(chat, entry);
  const message = known ?? { at: new Date(entry.at), edited: false };
  Object.assign(message, {
    id: entry.id,
    sender: entry.sender,
    senderName: entry.sender_name,
    byBot: entry.by_bot,
    text: entry.text,
    edited: message.edited || entry.edited,
    attachments: entry.attachments,
    pending: "",
  });
  if (!known) add(chat, message);
  return { chat, message, isNew: !known };
}

// Our own message may come back before its request is answered with the id.
function echoOf(chat, entry) {
  if (entry.by_bot || entry.sender !== model.me.id) return undefined;
  return chat.messages.find((message) => !message.id && message.text === entry.text);
}

/** Add what was just written to the open chat, before the daemon has it. */
export function addOwn(text, key) {
  const { id: sender, name: senderName } = model.me;
  const message = { id: "", key, chat: model.open, sender, senderName, byBot: false, text, edited: false, at: new Date(), attachments: [], pending: "sending" };
  add(openChat(), message);
  return message;
}

function add(chat, message) {
  chat.messages.push(message);
  if (chat.messages.length > KEPT_PER_CHAT) chat.messages.shift();
}

export function previousOf(message) {
  const { messages } = openChat();
  return messages[messages.lastIndexOf(message) - 1];
}
