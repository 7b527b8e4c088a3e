// What an account's owner sees on the phone.

import { word } from "/words.js";

const $ = (id) => document.getElementById(id);
const LETTERS_SHOWN = 200;

export class Phone {
  // `hub` fetches with the token: hub(path, options) gives a Response.
  constructor(hub, onTrouble) {
    this.hub = hub;
    this.owner = null;
    this.inputs = new Map();
    this.rows = new Map();
    this.pictures = new Map();
    this.state = null;
    this.isAtEnd = true;
    this.top = 0;
    $("letters").addEventListener("scroll", () => this.scrolled());
    // A list that was not shown has no height: it comes to its end when it gets one.
    new ResizeObserver(() => this.toEnd()).observe($("letters"));
    $("write").addEventListener("submit", (event) => {
      event.preventDefault();
      this.write().catch(onTrouble);
    });
  }

  show(state) {
    this.state = state;
    // Whose account is a bot's comes first; people are met in the middle of a story, not at its start.
    const ids = Object.keys(state.accounts).sort((a, b) => state.accounts[b].has_gateway - state.accounts[a].has_gateway);
    for (const id of ids) this.makeOwner(id);
    if (this.owner === null) this.choose(ids.filter((id) => state.accounts[id].has_gateway).sort().at(-1) ?? ids[0]);
    this.showWords();
    this.showLetters();
  }

  makeOwner(id) {
    if (!this.inputs.has(id)) {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "owner", value: id });
      const name = document.createElement("span");
      input.addEventListener("change", () => {
        this.choose(id);
        this.showWords();
        this.showLetters();
      });
      label.append(input, name);
      document.querySelector(".owners").append(label);
      this.inputs.set(id, { input, name });
    }
    this.inputs.get(id).name.textContent = this.nameOf(id);
  }

  choose(id) {
    if (this.owner === id) return;
    this.owner = id;
    this.inputs.get(id).input.checked = true;
    this.forget();
  }

  // Shows all messages anew the next time, for instance in another language.
  forget() {
    this.rows.clear();
    this.isAtEnd = true;
    $("letters").replaceChildren();
  }

  nameOf(id) {
    return this.state.accounts[id]?.name ?? id;
  }

  // The one whom the owner writes to: the other bot, or for people the first one.
  get partner() {
    return Object.keys(this.state.accounts).sort().find((id) => id !== this.owner && this.state.accounts[id].has_gateway);
  }

  showWords() {
    const label = word("write_to", { name: this.nameOf(this.partner) });
    $("phone-title").textContent = word("phone_of", { name: this.nameOf(this.owner) });
    $("letters").setAttribute("aria-label", word("phone_of", { name: this.nameOf(this.owner) }));
    $("write-label").textContent = label;
    $("text").placeholder = label;
  }

  showLetters() {
    const list = $("letters");
    const letters = (this.state.letters[this.owner] ?? []).slice(-LETTERS_SHOWN);
    for (const letter of letters) {
      if (!this.rows.has(letter.id)) {
        const row = this.rowOf(letter);
        this.rows.set(letter.id, row);
        list.append(row);
      }
    }
    while (list.querySelectorAll(".letter").length > LETTERS_SHOWN) list.querySelector(".letter").remove();
    this.showEmpty(list, letters.length === 0);
    this.toEnd();
  }

  // Only somebody who goes back up leaves the end; a list that has grown meanwhile does not.
  scrolled() {
    const list = $("letters");
    const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    this.isAtEnd = isAtEnd || (this.isAtEnd && list.scrollTop >= this.top);
    this.top = list.scrollTop;
  }

  toEnd() {
    if (this.isAtEnd) $("letters").scrollTop = $("letters").scrollHeight;
  }

  showEmpty(list, isEmpty) {
    list.querySelector(".empty")?.remove();
    if (isEmpty) {
      const text = word("empty", { name: this.nameOf(this.owner) });
      list.append(Object.assign(document.createElement("li"), { className: "empty", textContent: text }));
    }
  }

  rowOf(letter) {
    const row = Object.assign(document.createElement("li"), { className: letter.own ? "letter own" : "letter" });
    const at = new Date(letter.at).toLocaleTimeString([], { hour12: false });
    const who = letter.own ? `→ ${this.nameOf(letter.to)}` : this.nameOf(letter.from);
    const bubble = Object.assign(document.createElement("div"), { className: "bubble" });
    if (letter.attachment) bubble.append(this.attachmentOf(letter));
    if (letter.text) bubble.append(Object.assign(document.createElement("p"), { textContent: letter.text }));
    row.append(Object.assign(document.createElement("p"), { className: "meta", textContent: `${who} · ${at}` }), bubble);
    return row;
  }

  attachmentOf(letter) {
    if (!letter.attachment.media_type.startsWith("image/")) {
      const text = word("file", { file: letter.attachment.name });
      return Object.assign(document.createElement("p"), { className: "file", textContent: text });
    }
    const picture = document.createElement("img");
    picture.alt = word("picture", { name: this.nameOf(letter.from) });
    picture.addEventListener("load", () => this.toEnd());
    this.pictureOf(letter.id).then(
      (address) => {
        picture.src = address;
      },
      () => picture.replaceWith(Object.assign(document.createElement("p"), { className: "file", textContent: word("gone") })),
    );
    return picture;
  }

  pictureOf(id) {
    if (!this.pictures.has(id)) {
      const made = this.hub(`/api/files/${encodeURIComponent(id)}`).then(async (response) => {
        if (!response.ok) throw new Error(String(response.status));
        return URL.createObjectURL(await response.blob());
      });
      this.pictures.set(id, made);
      if (this.pictures.size > LETTERS_SHOWN) this.dropOldestPicture();
    }
    return this.pictures.get(id);
  }

  dropOldestPicture() {
    const [oldest, made] = this.pictures.entries().next().value;
    this.pictures.delete(oldest);
    made.then((address) => URL.revokeObjectURL(address), () => {});
  }

  async write() {
    const text = $("text").value;
    if (!text.trim()) return;
    const body = JSON.stringify({ to: this.partner, text });
    const response = await this.hub(`/api/accounts/${encodeURIComponent(this.owner)}/messages`, { method: "POST", body });
    if (!response.ok) throw new Error((await response.json()).error);
    $("text").value = "";
  }
}
