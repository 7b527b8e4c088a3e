// The page: the line to the daemon, the chats, and who is told what.

import { redrawBoard, watchBoard } from "./board.js";
import * as composer from "./composer.js";
import * as log from "./log.js";
import { addOwn, forget, isMine, learn, model, openChat, take } from "./model.js";
import { entriesAfter, lastEntries, newRepeatKey, post, Refused, takeToken, whoAmI } from "./server.js";
import { el } from "./view.js";
import { chooseLanguage, chosenLanguage, hasWord, speak, word } from "./words.js";

const WAIT_S = 25;
const AGAIN_FIRST_MS = 400;
const AGAIN_CAP_MS = 8_000;

const byId = (id) => document.getElementById(id);
let session = 0;
let told = "";

// The line to the daemon.

async function live() {
  const mine = ++session;
  let failures = 0;
  let synced = false;
  setLink("connecting");
  while (mine === session) {
    try {
      if (!synced) await sync();
      synced = true;
      failures = 0;
      setLink("live");
      const entries = await entriesAfter(model.seen, WAIT_S);
      if (mine === session) entries.forEach(arrive);
    } catch (error) {
      if (mine !== session) return;
      if (error instanceof Refused && error.status === 401) return tell("refused");
      synced = false;
      setLink("reconnecting");
      await pause(Math.min(AGAIN_CAP_MS, AGAIN_FIRST_MS * 2 ** failures++) * (0.75 + Math.random() / 2));
    }
  }
}

/** Wait; ends early when the network is back or somebody looks at the page again. */
function pause(ms) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      removeEventListener("focus", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    addEventListener("focus", done);
  });
}

async function sync() {
  const me = await whoAmI();
  const isFirst = !model.me;
  if (isFirst) speak(chosenLanguage() || me.language);
  // The daemon's state was moved away or begun anew: what we know is no longer there.
  if (me.last_seq < model.seen) forget();
  learn(me);
  if (!openChat()) {
    (await lastEntries()).forEach(take);
    model.seen = Math.max(model.seen, me.last_seq);
    show(me.chats[0].chat);
  }
  drawFrame();
  if (isFirst) watchBoard(me.is_owner);
}

function setLink(state) {
  const link = byId("link");
  if (link.dataset.link === state && link.textContent === word(`link_${state}`)) return;
  link.dataset.link = state;
  link.textContent = word(`link_${state}`);
}

/** Say instead of the messages why there are none to show. */
function tell(what) {
  told = what;
  setLink("refused");
  watchBoard(false);
  composer.shut();
  byId("chats").replaceChildren();
  log.showMessages([], () => {});
  byId("empty").hidden = false;
  byId("empty").replaceChildren(el("p", { class: "empty-title" }, word(what)), el("p", {}, word(`${what}About`)));
}

// What is said.

function arrive(entry) {
  const taken = take(entry);
  if (!taken) return;
  const { chat, message, isNew } = taken;
  if (document.hidden && !isMine(message)) document.title = `● ${model.me.bot_name}`;
  if (chat.chat !== model.open) {
    if (isNew && !isMine(message)) chat.unread += 1;
    return drawChats();
  }
  byId("empty").hidden = true;
  if (isNew) log.append(message);
  else log.redraw(message);
}

function say(text) {
  const message = addOwn(text, newRepeatKey());
  byId("empty").hidden = true;
  log.append(message);
  deliver(message);
}

async function deliver(message) {
  if (message.pending === "failed") {
    message.pending = "sending";
    log.redraw(message);
  }
  try {
    message.id ||= (await post(message.chat, message.text, message.key)).id;
  } catch (error) {
    // It may have come back as an entry although its own answer was lost.
    if (message.id) return;
    const reason = `refusal_${error.code}`;
    message.pending = "failed";
    message.reason = hasWord(reason) ? word(reason) : "";
    log.redraw(message);
  }
}

// The frame around it.

function drawFrame() {
  const { me } = model;
  byId("bot-name").textContent = me.bot_name;
  document.title = me.bot_name;
  byId("me").replaceChildren(word("signedIn", { name: me.name, id: me.id }), ...(me.is_owner ? [" · ", word("owner")] : []));
  byId("mention").setAttribute("aria-label", word("mention", { bot: me.bot_name }));
  drawChats();
}

function drawChats() {
  byId("chats").replaceChildren(...[...model.chats.values()].map(drawChat));
}

function drawChat(chat) {
  const unread = chat.unread ? el("span", { class: "unread", "aria-label": word("unread", { n: chat.unread }) }, String(chat.unread)) : null;
  const button = el(
    "button",
    { type: "button", "aria-current": chat.chat === model.open ? "true" : null, "data-chat": chat.chat },
    el("span", { class: "chat-sign", "aria-hidden": "true" }, chat.isRoom ? "#" : "@"),
    el("span", { class: "chat-name" }, chat.name),
    unread,
  );
  button.addEventListener("click", () => {
    show(chat.chat);
    composer.focus();
  });
  return el("li", {}, button);
}

function show(name) {
  if (openChat()) openChat().draft = composer.written();
  model.open = name;
  const chat = openChat();
  const bot = model.me.bot_name;
  chat.unread = 0;
  log.showMessages(chat.messages, deliver);
  byId("chat-name").textContent = chat.name;
  byId("chat-about").textContent = word(chat.isRoom ? "room" : "direct");
  composer.openFor({
    placeholder: word(chat.isRoom ? "placeholderRoom" : "placeholder", { name: chat.name, bot }),
    limit: model.me.text_limit_chars,
    botName: chat.isRoom ? bot : "",
  });
  composer.write(chat.draft);
  drawEmpty(chat, bot);
  drawFrame();
}

function drawEmpty(chat, bot) {
  const help = el("button", { type: "button", class: "quiet" }, "help");
  help.addEventListener("click", () => {
    say(chat.isRoom ? `@${bot} help` : "help");
    composer.focus();
  });
  byId("empty").hidden = chat.messages.length > 0;
  byId("empty").replaceChildren(
    el("p", { class: "empty-title" }, word("empty")),
    el("p", {}, word(chat.isRoom ? "emptyRoomAbout" : "emptyAbout", { bot })),
    help,
  );
}

function togglePanel(isOpen) {
  byId("panel").classList.toggle("open", isOpen);
  byId("panel-toggle").setAttribute("aria-expanded", String(isOpen));
  byId(isOpen ? "panel" : "panel-toggle").focus();
}

function drawAgain() {
  setLink(byId("link").dataset.link);
  if (told) tell(told);
  else if (openChat()) show(model.open);
  redrawBoard();
}

function start() {
  if (!takeToken()) return tell("noToken");
  told = "";
  model.me = null;
  forget();
  live();
}

byId("panel-toggle").addEventListener("click", () => togglePanel(!byId("panel").classList.contains("open")));
byId("login-show").addEventListener("click", () => togglePanel(true));
byId("panel").addEventListener("keydown", (event) => {
  if (event.key === "Escape" && byId("panel").classList.contains("open")) togglePanel(false);
});
for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    chooseLanguage(button.dataset.language);
    drawAgain();
  });
}
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && model.me) document.title = model.me.bot_name;
});
addEventListener("hashchange", () => location.hash.startsWith("#token=") && start());

composer.onSay(say);
speak(chosenLanguage() || (navigator.language.startsWith("zh") ? "zh" : "en"));
start();
