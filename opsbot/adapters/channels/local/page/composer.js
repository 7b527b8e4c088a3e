// The box in which messages are written.

const form = document.getElementById("composer");
const box = document.getElementById("text");
const mention = document.getElementById("mention");
const button = document.getElementById("send");

const sent = [];
let recalled = 0;

/** Call `say` with each text that is sent. */
export function onSay(say) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = box.value.trim();
    if (!text) return;
    sent.push(text);
    recalled = sent.length;
    write("");
    say(text);
  });
}

export function write(text) {
  box.value = text;
  fit();
}

export const written = () => box.value;

export const focus = () => box.focus();

/** Open the box for a chat; `botName` is offered as a mention where it takes one to be heard. */
export function openFor({ placeholder, limit, botName }) {
  form.hidden = false;
  box.placeholder = placeholder;
  box.maxLength = limit;
  mention.hidden = !botName;
  mention.textContent = `@${botName}`;
}

export function shut() {
  form.hidden = true;
}

function fit() {
  box.style.height = "auto";
  box.style.height = `${box.scrollHeight}px`;
  button.disabled = !box.value.trim();
}

function recall(step) {
  recalled = Math.max(0, Math.min(sent.length, recalled + step));
  write(sent[recalled] ?? "");
}

function onKey(event) {
  // While Chinese is being composed, Enter takes the word and sends nothing; Safari says so by the key code alone.
  if (event.isComposing || event.keyCode === 229) return;
  const isRecalling = !box.value || box.value === sent[recalled];
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    form.requestSubmit();
  } else if (event.key === "ArrowUp" && isRecalling && recalled > 0) {
    event.preventDefault();
    recall(-1);
  } else if (event.key === "ArrowDown" && isRecalling && recalled < sent.length) {
    event.preventDefault();
    recall(1);
  }
}

box.addEventListener("input", fit);
box.addEventListener("keydown", onKey);
mention.addEventListener("click", () => {
  box.setRangeText(`${mention.textContent} `, box.selectionStart, box.selectionEnd, "end");
  box.focus();
  fit();
});
