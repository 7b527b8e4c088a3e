// The three steps, and which of them is next.

import { word } from "/words.js";

const $ = (id) => document.getElementById(id);
const detail = (name) => document.querySelector(`[data-detail="${name}"]`);

export class Guide {
  // `act(account, action)` asks the hub; `onStep(account, step)` lets the page show what the step is about.
  constructor(act, onStep) {
    this.subject = null;
    this.rescued = new Set();
    this.act = act;
    this.onStep = onStep;
    this.state = null;
    this.inputs = new Map();
    $("log-out").addEventListener("click", () => this.click("log-out"));
    $("scan").addEventListener("click", () => this.click("scan"));
  }

  click(action) {
    const button = $(action);
    // aria-disabled, not disabled: the focus of somebody who works with the keyboard stays where it is.
    if (button.getAttribute("aria-disabled") === "true") return;
    if (action === "scan") this.rescued.add(this.subject);
    else this.rescued.delete(this.subject);
    this.act(this.subject, action);
    this.onStep(this.subject, action);
  }

  show(state) {
    this.state = state;
    const rescuable = Object.entries(state.accounts).filter(([, account]) => account.has_gateway);
    // The one that is shown first is the last in the alphabet: alice rescues, bob is rescued.
    const ids = rescuable.map(([id]) => id).sort().reverse();
    this.makeSubjects(ids);
    if (this.subject === null) this.choose(ids.find((id) => state.accounts[id].state !== "logged_in") ?? ids[0]);
    for (const id of ids) this.showChip(id, state.accounts[id]);
    this.showSteps();
  }

  makeSubjects(ids) {
    for (const id of ids.filter((one) => !this.inputs.has(one))) {
      const label = document.createElement("label");
      const input = Object.assign(document.createElement("input"), { type: "radio", name: "subject", value: id });
      const name = Object.assign(document.createElement("span"), { className: "name" });
      const chip = Object.assign(document.createElement("span"), { className: "chip" });
      label.append(input, name, chip);
      input.addEventListener("change", () => {
        this.choose(id);
        this.showSteps();
        this.onStep(id, "choose");
      });
      document.querySelector(".subjects").append(label);
      this.inputs.set(id, { input, name, chip });
    }
  }

  choose(id) {
    this.subject = id;
    this.inputs.get(id).input.checked = true;
  }

  showChip(id, account) {
    const { name, chip } = this.inputs.get(id);
    name.textContent = account.name;
    chip.textContent = word(account.state);
    if (chip.dataset.state !== account.state && chip.dataset.state) {
      $("said").textContent = `${account.name}: ${word(account.state)}`;
    }
    chip.dataset.state = account.state;
  }

  partnerOf(id) {
    return [...this.inputs.keys()].find((one) => one !== id);
  }

  showSteps() {
    const account = this.state.accounts[this.subject];
    const partner = this.state.accounts[this.partnerOf(this.subject)];
    const names = { who: account.name, partner: partner?.name };
    const isBack = account.state === "logged_in" && this.rescued.has(this.subject);
    const posted = account.state !== "logged_in" || isBack ? this.posted(account) : null;
    const progress = { logged_in: isBack ? 3 : 0, code_shown: posted === null ? 1 : 2, letting_in: 2 }[account.state];
    ["step-out", "step-code", "step-scan"].forEach((id, n) => {
      $(id).dataset.state = n < progress ? "done" : n === progress ? "next" : "later";
    });
    this.showButton("log-out", word("log_out", names), account.state === "logged_in");
    this.showButton("scan", word("scan", names), account.state === "code_shown");
    $("code-title").textContent = word("code_title", names);
    detail("out").textContent = word(account.state === "logged_in" ? "out_todo" : "out_done", names);
    detail("code").textContent = this.codeDetail(account, posted, names);
    detail("scan").textContent = this.scanDetail(account, posted, isBack, names);
    this.showTry(names);
  }

  showButton(id, text, isOn) {
    $(id).textContent = text;
    $(id).setAttribute("aria-disabled", String(!isOn));
  }

  // How long it took until the partner's picture of the code that is shown now arrived on the phone, in seconds.
  posted(account) {
    const shownAt = Date.parse(account.code_shown_at);
    const partner = this.partnerOf(this.subject);
    const letters = this.state.letters[this.subject] ?? [];
    const picture = letters.find((one) => one.from === partner && one.attachment && Date.parse(one.at) >= shownAt);
    return picture ? Math.max(0.01, (Date.parse(picture.at) - shownAt) / 1000) : null;
  }

  codeDetail(account, posted, names) {
    if (posted === null) return word(account.state === "code_shown" ? "code_wait" : "code_todo", names);
    const holes = { ...names, s: posted.toFixed(2), n: account.codes_shown };
    return word(account.codes_shown > 1 ? "code_again" : "code_done", holes);
  }

  scanDetail(account, posted, isBack, names) {
    if (account.state === "letting_in") return word(`scan_${account.scan_status}`, names);
    if (account.state === "code_shown" && posted !== null) return word("scan_next", { life: account.code_life_s });
    return word(isBack ? "scan_done" : "scan_todo", names);
  }

  showTry(names) {
    const parts = [word("try", names)];
    const examples = [
      ["qr", "try_qr"],
      ["restart", "try_restart"],
      ["help", "try_help"],
    ];
    for (const [command, meaning] of examples) {
      const code = Object.assign(document.createElement("code"), { textContent: command });
      parts.push(code, ` ${word(meaning, names)}`);
    }
    $("try").replaceChildren(...parts);
  }
}
