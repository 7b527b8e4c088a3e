// Draws messages. Whatever was written by somebody reaches the page as text, never as markup.

import { blob } from "./server.js";
import { language, word } from "./words.js";

const TOGETHER_MS = 4 * 60_000;
const SHOWN_LINES = 24;

/** Make an element: `el("p", {class: "x"}, "text", child…)`. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== false) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Whether a message continues the one before it: the same sender, shortly after. */
export function continues(before, message) {
  return Boolean(before) && before.sender === message.sender && before.byBot === message.byBot && message.at - before.at < TOGETHER_MS && sameDay(before.at, message.at);
}

const sameDay = (one, other) => one.toDateString() === other.toDateString();

/** The line between two days, null where the day goes on. */
export function dayLine(before, message) {
  if (before && sameDay(before.at, message.at)) return null;
  const now = new Date();
  const yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  let text = message.at.toLocaleDateString(language(), { month: "long", day: "numeric", weekday: "short" });
  if (sameDay(message.at, now)) text = word("today");
  else if (sameDay(message.at, yesterday)) text = word("yesterday");
  return el("li", { class: "day" }, el("span", {}, text));
}

/** Draw one message; `pictures` keeps what must be given back to the browser when the message goes. */
export function drawMessage(message, { before, mine, actions, pictures }) {
  const goesOn = continues(before, message);
  const name = mine ? word("you") : message.senderName;
  const node = el("li", { class: `message ${mine ? "mine" : "theirs"} ${message.byBot ? "bot" : "person"}${goesOn ? " on" : ""}`, "data-id": message.id });
  const head = el("p", { class: goesOn ? "unseen" : "from" }, el("span", { class: "name" }, name));
  const bubble = el("div", { class: "bubble" }, drawText(message.text), ...message.attachments.map((note) => drawAttachment(note, actions, pictures)));
  if (message.attachments.length) bubble.classList.add("holds");
  if (!mine) node.append(el("span", { class: "face", "aria-hidden": "true" }, goesOn ? "" : [...name][0].toUpperCase()));
  node.append(el("div", { class: "body" }, head, bubble, drawFoot(message, actions)));
  return node;
}

function drawFoot(message, actions) {
  const time = message.at.toLocaleTimeString(language(), { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const foot = el("p", { class: "about" }, el("time", { datetime: message.at.toISOString() }, time));
  if (message.edited) foot.append(" · ", el("span", { class: "edited" }, word("edited")));
  if (message.pending === "sending") foot.append(" · ", word("sending"));
  if (message.pending === "failed") {
    const again = el("button", { type: "button", class: "again" }, word("again"));
    again.addEventListener("click", () => actions.again(message));
    foot.classList.add("failed");
    foot.append(" · ", message.reason || word("notSent"), " ", again);
  }
  return foot;
}

function drawText(text) {
  if (!text) return "";
  const lines = text.split("\n");
  const whole = el("div", { class: "text" }, ...withCode(text));
  if (lines.length <= SHOWN_LINES + 6) return whole;

  whole.classList.add("folded");
  const button = el("button", { type: "button", class: "fold", "aria-expanded": "false" }, word("more", { n: lines.length }));
  button.addEventListener("click", () => {
    const folded = whole.classList.toggle("folded");
    button.setAttribute("aria-expanded", String(!folded));
    button.textContent = folded ? word("more", { n: lines.length }) : word("less");
  });
  return el("div", {}, whole, button);
}

/** Set ``` blocks and `words` apart; everything else stays as it was written. */
function withCode(text) {
  return text.split(/(```[^\n`]*\n[\s\S]*?(?:\n```|$))/).flatMap((part) => {
    const block = /^```[^\n]*\n([\s\S]*?)(?:\n```)?$/.exec(part);
    if (block) return [el("pre", { tabindex: "0" }, el("code", {}, block[1]))];
    return part.split(/(`[^`\n]+`)/).map((piece) => (/^`[^`\n]+`$/.test(piece) ? el("code", {}, piece.slice(1, -1)) : piece));
  });
}

function drawAttachment(note, actions, pictures) {
  return /^image\/(png|jpeg|gif|webp)$/.test(note.media_type) ? drawPicture(note, actions, pictures) : drawFile(note);
}

function drawPicture(note, actions, pictures) {
  const image = el("img", { alt: note.name });
  const button = el("button", { type: "button", class: "thumb", "aria-label": word("openPicture", { name: note.name }) }, image);
  button.addEventListener("click", () => actions.open(image.src, note.name));
  blob(note.url).then(
    (content) => {
      image.src = URL.createObjectURL(content);
      pictures.push(image.src);
    },
    () => button.replaceWith(el("p", { class: "gone" }, word("gone", { name: note.name }))),
  );
  return button;
}

function drawFile(note) {
  const button = el(
    "button",
    { type: "button", class: "file", "aria-label": word("download", { name: note.name }) },
    el("span", { class: "file-kind", "aria-hidden": "true" }, extension(note.name)),
    el("span", { class: "file-name" }, note.name),
    el("span", { class: "file-size" }, size(note.size_bytes)),
  );
  button.addEventListener("click", async () => {
    try {
      save(await blob(note.url), note.name);
    } catch {
      button.replaceWith(el("p", { class: "gone" }, word("gone", { name: note.name })));
    }
  });
  return button;
}

function save(content, name) {
  const link = el("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function extension(name) {
  const end = name.includes(".") ? name.split(".").pop() : "";
  return end.length && end.length <= 4 ? end.toUpperCase() : "FILE";
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
