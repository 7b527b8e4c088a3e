// The messages of the open chat on the screen: appended, redrawn in place, and kept at the end while somebody reads there.

import { isMine, previousOf } from "./model.js";
import { dayLine, drawMessage } from "./view.js";

const NEAR_END_PX = 90;
const KEPT_NODES = 450;

const log = document.getElementById("log");
const list = document.getElementById("messages");
const newer = document.getElementById("newer");
const picture = document.getElementById("picture");

const nodes = new Map();
let pictures = [];
let atEnd = true;
let top = 0;
let again = () => {};

const actions = { again: (message) => again(message), open: openPicture };

/** Draw a chat from its beginning; `onAgain` is called with a message that shall be sent again. */
export function showMessages(messages, onAgain) {
  again = onAgain;
  pictures.forEach((address) => URL.revokeObjectURL(address));
  pictures = [];
  nodes.clear();
  list.replaceChildren();
  messages.forEach((message, n) => put(message, messages[n - 1]));
  toEnd();
}

export function append(message) {
  put(message, previousOf(message));
  while (list.children.length > KEPT_NODES) list.firstElementChild.remove();
  if (atEnd || isMine(message)) toEnd();
  else newer.hidden = false;
}

export function redraw(message) {
  const node = nodes.get(message);
  if (!node) return;
  const fresh = draw(message, previousOf(message));
  nodes.set(message, fresh);
  node.replaceWith(fresh);
  if (atEnd) toEnd();
}

export function toEnd() {
  log.scrollTop = log.scrollHeight;
  atEnd = true;
  newer.hidden = true;
}

function put(message, previous) {
  const day = dayLine(previous, message);
  if (day) list.append(day);
  const node = draw(message, previous);
  nodes.set(message, node);
  list.append(node);
}

const draw = (message, before) => drawMessage(message, { before, mine: isMine(message), actions, pictures });

function openPicture(source, name) {
  const image = picture.querySelector("img");
  image.src = source;
  image.alt = name;
  picture.showModal();
}

newer.addEventListener("click", toEnd);
log.addEventListener("scroll", () => {
  // Only a move upwards leaves the end: a picture that has just loaded below is no wish to stay here.
  const isNear = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
  if (isNear || log.scrollTop < top) atEnd = isNear;
  top = log.scrollTop;
  if (atEnd) newer.hidden = true;
});
const follow = new ResizeObserver(() => atEnd && toEnd());
follow.observe(log);
follow.observe(list);
picture.addEventListener("click", (event) => event.target === picture && picture.close());
