// The daemon's state beside the chat: channels, sources, and the login codes that wait to be scanned. For owners.

import { blob, status } from "./server.js";
import { el } from "./view.js";
import { hasWord, language, word } from "./words.js";

const SEEN_EVERY_MS = 2_500;
const KINDS = { RUNNING: "ok", STARTING: "busy", STOPPING: "busy", BACKOFF: "warn", STOPPED: "off", FATAL: "bad" };

const byId = (id) => document.getElementById(id);
let isWatching = false;
let watch = 0;
let timer = 0;
let last = null;
const codes = new Map();

/** Ask for the state again and again while the page is looked at; or stop, and show none. */
export function watchBoard(isOwner) {
  isWatching = isOwner;
  show({});
  look();
}

async function look() {
  // Only the last one who looks goes on looking.
  const mine = ++watch;
  clearTimeout(timer);
  if (!isWatching) return;
  try {
    const state = document.hidden ? null : await status();
    if (state && mine === watch) show(state);
  } catch {
    // The line under the bot's name already says that the daemon is away.
  }
  if (mine === watch) timer = setTimeout(look, SEEN_EVERY_MS);
}

document.addEventListener("visibilitychange", () => document.hidden || look());

/** Draw what is known again, in another language. */
export function redrawBoard() {
  codes.forEach((code) => code.card.remove());
  codes.clear();
  if (last) show(last, true);
}

function show(state, anew = false) {
  if (!anew && JSON.stringify(state) === JSON.stringify(last)) return;
  last = state;
  const waiting = new Set((state.logins ?? []).map((login) => login.channel));
  byId("board").hidden = !state.channels;
  drawParts(byId("channels"), state.channels ?? [], waiting);
  drawParts(byId("sources"), state.sources ?? [], waiting);
  drawLogins(state.logins ?? []);
  drawAlert([...(state.channels ?? []), ...(state.sources ?? [])], waiting);
}

function drawParts(list, parts, waiting) {
  list.replaceChildren(...parts.map((part) => drawPart(part, waiting.has(part.name))));
  if (!parts.length) list.append(el("li", { class: "none" }, word("nothing")));
}

function drawPart(part, waits) {
  const state = part.state.toUpperCase();
  const label = waits ? "part_login" : `part_${state}`;
  const chip = el("span", { class: `chip ${waits ? "warn" : KINDS[state] ?? "busy"}` }, hasWord(label) ? word(label) : part.state);
  const about = [part.kind, part.since && word("since", { time: moment(new Date(part.since)) })].filter(Boolean).join(" · ");
  return el(
    "li",
    { class: "part" },
    el("p", { class: "part-line" }, el("span", { class: "part-name" }, part.name), chip),
    el("p", { class: "part-about" }, about),
    part.detail ? el("p", { class: "part-detail" }, part.detail) : null,
  );
}

function moment(at) {
  const today = at.toDateString() === new Date().toDateString();
  return at.toLocaleString(language(), { ...(today ? {} : { month: "numeric", day: "numeric" }), hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

function drawLogins(logins) {
  const names = logins.map((login) => login.channel);
  for (const [name, code] of codes) {
    if (!names.includes(name)) {
      code.card.remove();
      codes.delete(name);
    }
  }
  for (const login of logins) drawLogin(login);
  byId("logins").hidden = logins.length === 0;
  byId("login-notice").hidden = logins.length === 0;
  byId("login-notice-text").textContent = word("waitsForLogin", { name: names.join(", ") });
}

function drawLogin(login) {
  const known = codes.get(login.channel);
  if (known?.version === login.version) return;
  const code = known ?? { card: drawCard(login.channel), version: "" };
  if (!known) {
    codes.set(login.channel, code);
    byId("logins").append(code.card);
  }
  code.version = login.version;
  const image = code.card.querySelector("img");
  blob(login.url).then(
    (content) => {
      URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(content);
    },
    () => {
      // Scanned or replaced meanwhile: the next look says which.
      code.version = "";
      last = null;
    },
  );
}

function drawCard(name) {
  return el(
    "figure",
    { class: "login", "data-channel": name },
    el("figcaption", {}, el("strong", {}, word("waitsForLogin", { name })), el("span", {}, word("scan", { name }))),
    el("img", { alt: word("codeFor", { name }), width: "232", height: "232" }),
  );
}

function drawAlert(parts, waiting) {
  const wrong = parts.filter((part) => waiting.has(part.name) || ["warn", "bad"].includes(KINDS[part.state.toUpperCase()])).length;
  byId("panel-alert").hidden = wrong === 0;
  byId("panel-alert").textContent = String(wrong);
}
