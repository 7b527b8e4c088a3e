// The daemons' own pages beside the phone: columns where there is room, tabs where there is not.

import { word } from "/words.js";

const WIDE = window.matchMedia("(min-width: 1080px)");

export class Panes {
  constructor() {
    this.tabs = document.querySelector(".tabs");
    this.panes = new Map(); // id → {pane, tab}
    this.chosen = null;
    this.phone = document.getElementById("pane-phone");
    this.tabs.addEventListener("keydown", (event) => this.move(event));
    WIDE.addEventListener("change", () => this.arrange());
  }

  show(state, phoneOwner) {
    const daemons = state.published.daemons ?? {};
    for (const [id, daemon] of Object.entries(daemons).sort()) {
      if (!this.panes.has(id)) this.add(id, this.makePane(id));
      this.showDaemon(id, daemon, state.accounts[id]?.name ?? id);
    }
    if (!this.panes.has("phone")) this.add("phone", this.phone);
    this.panes.get("phone").tab.textContent = word("phone_of", { name: state.accounts[phoneOwner].name });
    if (this.chosen === null) this.chosen = [...this.panes.keys()][0];
    this.arrange();
  }

  add(id, pane) {
    const tab = Object.assign(document.createElement("button"), { type: "button", id: `tab-${id}` });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", pane.id);
    tab.addEventListener("click", () => this.choose(id));
    this.panes.set(id, { pane, tab });
    // The phone is made by the document and stands last.
    if (pane === this.phone) this.tabs.append(tab);
    else {
      this.phone.before(pane);
      this.tabs.insertBefore(tab, this.panes.get("phone")?.tab ?? null);
    }
  }

  makePane(id) {
    const pane = document.getElementById("daemon-pane").content.firstElementChild.cloneNode(true);
    pane.id = `pane-${id}`;
    return pane;
  }

  showDaemon(id, daemon, name) {
    const { pane, tab } = this.panes.get(id);
    const frame = pane.querySelector("iframe");
    tab.textContent = name;
    pane.querySelector("h2").textContent = word("page_of", { name });
    pane.querySelector(".hint").textContent = word("page_hint", { name });
    pane.querySelector(".waiting").textContent = word("waiting", { name });
    const chip = pane.querySelector(".chip");
    chip.textContent = word(daemon.state);
    chip.dataset.state = daemon.state;
    chip.title = daemon.pid ? word("process", { pid: daemon.pid }) : "";
    const link = pane.querySelector("a");
    link.textContent = word("open");
    link.setAttribute("aria-label", word("open_label", { name }));
    frame.title = word("page_hint", { name });
    pane.classList.toggle("is-waiting", !daemon.url);
    if (daemon.url && frame.dataset.url !== daemon.url) {
      frame.dataset.url = daemon.url;
      frame.src = daemon.url;
      link.href = daemon.url;
    }
  }

  choose(id) {
    if (this.panes.has(id)) this.chosen = id;
    this.arrange();
  }

  arrange() {
    for (const [id, { pane, tab }] of this.panes) {
      const isChosen = id === this.chosen;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      pane.hidden = !WIDE.matches && !isChosen;
      pane.setAttribute("role", WIDE.matches ? "region" : "tabpanel");
      pane.setAttribute("aria-labelledby", tab.id);
    }
  }

  move(event) {
    const ids = [...this.panes.keys()].sort((a, b) => this.place(a) - this.place(b));
    const at = ids.indexOf(this.chosen);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: ids.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.choose(ids[(next + ids.length) % ids.length]);
    this.panes.get(this.chosen).tab.focus();
  }

  place(id) {
    return [...this.tabs.children].indexOf(this.panes.get(id).tab);
  }
}
