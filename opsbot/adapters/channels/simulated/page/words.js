// What the page says, in both languages. {who} is the account under rescue, {partner} the one who rescues.

const WORDS = {
  en: {
    demo: "demo",
    lead: "Two bots look after each other. When one falls out of its account, the other brings its login code to you.",
    other_language: "中文",
    guide: "Three steps of a rescue",
    whose_turn: "Who is to be rescued?",
    whose_phone: "Whose phone?",
    log_out: "Log {who} out",
    out_todo: "as if the account were taken out of the computer",
    out_done: "{who} is out",
    code_title: "The code appears at {partner}",
    code_todo: "{partner} watches {who}’s log",
    code_wait: "{partner} is reading {who}’s log …",
    code_done: "posted after {s} s: look at {partner} and at {who}’s phone",
    code_again: "code {n}, posted after {s} s; the one before has expired",
    scan: "Scan it with {who}’s phone",
    scan_todo: "{who} comes back and answers the login test",
    scan_next: "a code lives {life} s; then the next one comes by itself",
    scan_Scanned: "scanned …",
    scan_Confirmed: "confirmed on the phone …",
    scan_done: "{who} is back",
    try: "At any time, write to {partner}:",
    try_qr: "the newest code",
    try_restart: "restarts {who}’s process",
    try_help: "what else there is",
    logged_in: "logged in",
    code_shown: "logged out",
    letting_in: "logging in",
    page_of: "{name}",
    page_hint: "the page of {name}’s daemon",
    phone_of: "{name}’s phone",
    open: "open alone",
    open_label: "open {name}’s page in a tab of its own",
    starting: "starting",
    ready: "running",
    stopping: "stopping",
    ended: "ended; starts again soon",
    process: "process {pid}",
    send: "Send",
    write_to: "Write to {name}",
    to: "to {name}",
    empty: "Nothing yet. What other accounts send to {name} arrives here.",
    picture: "picture from {name}",
    file: "file: {file}",
    gone: "the picture is not kept any more",
    lost: "The demo does not answer. Does it still run in its terminal?",
    no_token: "This address lacks its key. Open the whole address that the demo printed, with everything after the #.",
    refused: "That did not work: {reason}",
    waiting: "waiting for {name} …",
  },
  zh: {
    demo: "演示",
    lead: "两个机器人互相照看：一个掉线了，另一个就把它的登录二维码送到你手上。",
    other_language: "English",
    guide: "救援三步",
    whose_turn: "救谁？",
    whose_phone: "谁的手机？",
    log_out: "让 {who} 掉线",
    out_todo: "就像账号在电脑上被退出",
    out_done: "{who} 已掉线",
    code_title: "二维码出现在 {partner}",
    code_todo: "{partner} 一直看着 {who} 的日志",
    code_wait: "{partner} 正在读 {who} 的日志……",
    code_done: "{s} 秒后送达：看 {partner}，也看 {who} 的手机",
    code_again: "第 {n} 个码，{s} 秒后送达；上一个已过期",
    scan: "用 {who} 的手机扫码",
    scan_todo: "{who} 回来，并回应登录测试",
    scan_next: "一个码有效 {life} 秒，过期后新码自动送来",
    scan_Scanned: "已扫描……",
    scan_Confirmed: "手机上已确认……",
    scan_done: "{who} 回来了",
    try: "随时可以写给 {partner}：",
    try_qr: "最新的码",
    try_restart: "重启 {who} 的进程",
    try_help: "还能做什么",
    logged_in: "在线",
    code_shown: "已掉线",
    letting_in: "登录中",
    page_of: "{name}",
    page_hint: "{name} 守护进程的页面",
    phone_of: "{name} 的手机",
    open: "单独打开",
    open_label: "在单独的标签页打开 {name} 的页面",
    starting: "启动中",
    ready: "运行中",
    stopping: "停止中",
    ended: "已退出，即将重启",
    process: "进程 {pid}",
    send: "发送",
    write_to: "写给 {name}",
    to: "发给 {name}",
    empty: "还没有消息。别的账号发给 {name} 的会出现在这里。",
    picture: "{name} 发来的图片",
    file: "文件：{file}",
    gone: "图片已不再保留",
    lost: "演示没有回应。它还在终端里运行吗？",
    no_token: "这个地址缺少密钥。请打开演示打印的完整地址，包括 # 之后的部分。",
    refused: "没有成功：{reason}",
    waiting: "等待 {name}……",
  },
};

const KEPT = "opsbot-demo-language";
let language = kept() ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");

function kept() {
  try {
    const value = localStorage.getItem(KEPT);
    return value in WORDS ? value : null;
  } catch {
    return null; // storage may be forbidden; the browser's own language will do
  }
}

export function word(key, holes = {}) {
  return (WORDS[language][key] ?? key).replace(/\{(\w+)\}/g, (_, name) => holes[name] ?? "");
}

export function otherLanguage() {
  language = language === "en" ? "zh" : "en";
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // then the choice lasts as long as the page
  }
}

export function translateDocument() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
  document.getElementById("language").textContent = word("other_language");
}
