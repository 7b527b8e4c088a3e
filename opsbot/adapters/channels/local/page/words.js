// Every word of the page, in both languages. A test holds the two lists against each other.

export const WORDS = {
  zh: {
    skip: "跳到输入框",
    chats: "会话",
    state: "状态",
    channels: "通道",
    sources: "日志源",
    language: "语言",
    messages: "消息",
    write: "输入消息",
    placeholder: "给 {name} 发消息",
    placeholderRoom: "在 {name} 发言，@{bot} 可以叫它",
    hint: "Enter 发送 · Shift+Enter 换行 · ↑ 上一条",
    send: "发送",
    mention: "提到 {bot}",
    newer: "新消息",
    close: "关闭",
    picture: "图片",
    openPicture: "查看图片 {name}",
    download: "下载 {name}",
    gone: "{name} 已不再保留",
    showCode: "显示二维码",
    waitsForLogin: "{name} 等待登录",
    scan: "请用 {name} 账号的手机扫码登录",
    codeFor: "{name} 的登录二维码",
    edited: "已编辑",
    sending: "发送中…",
    notSent: "未发送",
    again: "重试",
    more: "展开全部 {n} 行",
    less: "收起",
    today: "今天",
    yesterday: "昨天",
    you: "你",
    signedIn: "{name}（{id}）",
    owner: "主人",
    direct: "私聊",
    room: "群聊 · 所有人可见",
    unread: "{n} 条未读",
    empty: "还没有消息",
    emptyAbout: "发一条命令试试，机器人会在这里回答。",
    emptyRoomAbout: "群里所有人都能看到。用 @{bot} 叫机器人。",
    noToken: "需要完整的链接",
    noTokenAbout: "请打开 opsbot 启动时打印的地址，它在 # 之后带着你的令牌。",
    refused: "链接已失效",
    refusedAbout: "令牌不对。请重新打开 opsbot 启动时打印的地址。",
    nothing: "没有",
    since: "{time}起",
    link_connecting: "连接中…",
    link_live: "已连接",
    link_reconnecting: "重新连接中…",
    link_refused: "未登录",
    part_login: "等待登录",
    part_STARTING: "启动中",
    part_RUNNING: "运行中",
    part_BACKOFF: "重试中",
    part_STOPPING: "停止中",
    part_STOPPED: "已停止",
    part_FATAL: "故障",
    refusal_text_too_long: "太长了，请分几条发送",
    refusal_body_too_large: "太长了，请分几条发送",
  },
  en: {
    skip: "Skip to the message box",
    chats: "Chats",
    state: "Status",
    channels: "Channels",
    sources: "Log sources",
    language: "Language",
    messages: "Messages",
    write: "Write a message",
    placeholder: "Message {name}",
    placeholderRoom: "Message {name}, @{bot} calls the bot",
    hint: "Enter sends · Shift+Enter new line · ↑ last one",
    send: "Send",
    mention: "Mention {bot}",
    newer: "New messages",
    close: "Close",
    picture: "Picture",
    openPicture: "Open the picture {name}",
    download: "Download {name}",
    gone: "{name} is no longer kept",
    showCode: "Show the code",
    waitsForLogin: "{name} waits for a login",
    scan: "Scan with the phone of the {name} account",
    codeFor: "Login code of {name}",
    edited: "edited",
    sending: "sending…",
    notSent: "Not sent",
    again: "Try again",
    more: "Show all {n} lines",
    less: "Show less",
    today: "Today",
    yesterday: "Yesterday",
    you: "You",
    signedIn: "{name} ({id})",
    owner: "owner",
    direct: "Direct chat",
    room: "Room · everybody here reads it",
    unread: "{n} unread",
    empty: "Nothing here yet",
    emptyAbout: "Send a command, and the bot answers here.",
    emptyRoomAbout: "Everybody in the room reads this. @{bot} calls the bot.",
    noToken: "The whole link is needed",
    noTokenAbout: "Open the address that opsbot printed when it started: it carries your token after the #.",
    refused: "This link is no longer valid",
    refusedAbout: "The token is wrong. Open the address that opsbot printed when it started.",
    nothing: "none",
    since: "since {time}",
    link_connecting: "Connecting…",
    link_live: "Connected",
    link_reconnecting: "Reconnecting…",
    link_refused: "Not signed in",
    part_login: "Waits for login",
    part_STARTING: "Starting",
    part_RUNNING: "Running",
    part_BACKOFF: "Trying again",
    part_STOPPING: "Stopping",
    part_STOPPED: "Stopped",
    part_FATAL: "Failed",
    refusal_text_too_long: "Too long: send it in parts",
    refusal_body_too_large: "Too long: send it in parts",
  },
};

const KEPT = "opsbot-language";
let current = "zh";

/** Give a word of the current language; {names} are filled in. */
export function word(key, values = {}) {
  const text = WORDS[current][key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function hasWord(key) {
  return key in WORDS[current];
}

export function language() {
  return current;
}

/** Speak a language from now on, and put its words where the page asks for them. */
export function speak(wanted) {
  current = wanted in WORDS ? wanted : "en";
  document.documentElement.lang = current === "zh" ? "zh-CN" : "en";
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = word(node.dataset.word);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", word(node.dataset.label));
  for (const node of document.querySelectorAll("[data-language]")) {
    node.setAttribute("aria-pressed", String(node.dataset.language === current));
  }
}

/** The language that this browser was switched to, "" if it never was. Storage may be closed to a page in a frame. */
export function chosenLanguage() {
  try {
    return localStorage.getItem(KEPT) ?? "";
  } catch {
    return "";
  }
}

export function chooseLanguage(wanted) {
  try {
    localStorage.setItem(KEPT, wanted);
  } catch {
    // It still holds until the page is closed.
  }
  speak(wanted);
}
