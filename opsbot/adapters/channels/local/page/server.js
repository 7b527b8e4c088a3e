// Speaks to the daemon: the token, and requests that carry it.

const KEPT = "opsbot-token";
const ANSWER_WITHIN_MS = 15_000;

// Kept here too: in a frame of another site the storage may be closed.
let token = "";

/** Take the token out of the address, so that it is not seen, bookmarked or shared; true if there is one. */
export function takeToken() {
  const found = /^#token=([\w-]+)$/.exec(location.hash);
  try {
    if (found) sessionStorage.setItem(KEPT, found[1]);
    token = found?.[1] ?? (token || sessionStorage.getItem(KEPT) || "");
  } catch {
    token = found?.[1] ?? token;
  }
  if (found) history.replaceState(null, "", location.pathname + location.search);
  return token !== "";
}

/** The daemon answered, and the answer is no. */
export class Refused extends Error {
  constructor(status, code, sentence) {
    super(sentence);
    this.status = status;
    this.code = code;
  }
}

async function request(path, { method = "GET", content, withinMs = ANSWER_WITHIN_MS } = {}) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), withinMs);
  try {
    const response = await fetch(path, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(content && { "Content-Type": "application/json" }) },
      body: content && JSON.stringify(content),
      signal: abort.signal,
      credentials: "omit",
      redirect: "error",
    });
    if (!response.ok) {
      const said = await response.json().catch(() => ({}));
      throw new Refused(response.status, said.code ?? "", said.error ?? response.statusText);
    }
    // Read here, while the time still runs.
    return response.headers.get("Content-Type")?.startsWith("application/json") ? await response.json() : await response.blob();
  } finally {
    clearTimeout(timer);
  }
}

export const whoAmI = () => request("/api/me");
export const lastEntries = () => request("/api/messages?last=400");
export const status = () => request("/api/status");
export const blob = (url) => request(url, { withinMs: 60_000 });

export function entriesAfter(seq, waitS) {
  return request(`/api/messages?after=${seq}&wait_s=${waitS}`, { withinMs: (waitS + 10) * 1000 });
}

/** Post a message. With the same `repeatKey` it can be posted again without being said twice. */
export function post(chat, text, repeatKey) {
  return request(`/api/chats/${encodeURIComponent(chat)}/messages`, { method: "POST", content: { text, id: repeatKey } });
}

export function newRepeatKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
