// Follows the hub's state and hands it to the parts of the page.

import { Guide } from "/guide.js";
import { Panes } from "/panes.js";
import { Phone } from "/phone.js";
import { otherLanguage, translateDocument, word } from "/words.js";

const WAIT_S = 20;
const RETRY_MS = 1000;
const LETTERS_KEPT = 200;
const KEPT_TOKEN = "opsbot-hub-token";
const token = takeToken();
const trouble = document.getElementById("trouble");
const state = { seq: 0, accounts: {}, letters: {}, published: {} };

// Taken out of the address, so that it is not seen, bookmarked or shared.
function takeToken() {
  const found = /^#token=([\w-]+)$/.exec(location.hash);
  if (found) history.replaceState(null, "", location.pathname);
  try {
    if (found) sessionStorage.setItem(KEPT_TOKEN, found[1]);
    return found?.[1] ?? sessionStorage.getItem(KEPT_TOKEN) ?? "";
  } catch {
    return found?.[1] ?? "";
  }
}

function hub(path, options = {}) {
  return fetch(path, { ...options, headers: { Authorization: `Bearer ${token}` } });
}

function say(text) {
  trouble.textContent = text;
  trouble.hidden = !text;
}

async function act(account, action) {
  try {
    const response = await hub(`/api/accounts/${encodeURIComponent(account)}/${action}`, { method: "POST" });
    say(response.ok ? "" : word("refused", { reason: (await response.json()).error }));
  } catch {
    say(word("lost"));
  }
}

const panes = new Panes();
const phone = new Phone(hub, (error) => say(word("refused", { reason: error.message })));
const guide = new Guide(act, (account, step) => {
  // Where there is room for one pane only, show the one where the next thing happens.
  panes.choose(step === "scan" ? "phone" : guide.partnerOf(account));
  phone.choose(account);
  show();
});

function show() {
  translateDocument();
  if (Object.keys(state.accounts).length === 0) return;
  guide.show(state);
  phone.show(state);
  panes.show(state, phone.owner);
}

function merge(news) {
  Object.assign(state, { seq: news.seq, accounts: news.accounts, published: news.published });
  for (const [id, letters] of Object.entries(news.phones)) {
    state.letters[id] = [...(state.letters[id] ?? []), ...letters].slice(-LETTERS_KEPT);
  }
}

// What is new, or null when the hub did not answer.
async function news() {
  try {
    const response = await hub(`/api/state?after=${state.seq}&wait_s=${state.seq ? WAIT_S : 0}`);
    return response.ok ? await response.json() : { refused: response.status };
  } catch {
    return null;
  }
}

async function follow() {
  let isLost = false;
  for (;;) {
    const answer = await news();
    if (answer?.refused === 401) return say(word("no_token"));
    if (answer === null || answer.refused) {
      isLost = true;
      say(word("lost"));
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      continue;
    }
    if (isLost) say("");
    isLost = false;
    merge(answer);
    show();
  }
}

document.getElementById("language").addEventListener("click", () => {
  otherLanguage();
  phone.forget();
  show();
});
window.addEventListener("hashchange", () => location.reload());
translateDocument();
follow();
