"""What opsbot itself says, in English and Chinese."""

from typing import Literal

Language = Literal["en", "zh"]

TEXTS: dict[str, dict[Language, str]] = {
    "ambiguous": {
        "en": "Which one? Say:\n{choices}",
        "zh": "有多个可选，请说其中一个：\n{choices}",
    },
    "unknown": {
        "en": "I do not know that command. Try: help",
        "zh": "没有这个命令。试试：help",
    },
    "too_old": {
        "en": "Too old, not run: the clocks differ by {seconds} s. Send it again.",
        "zh": "消息太旧，没有执行：时钟相差 {seconds} 秒。请重新发送。",
    },
    "not_settled": {
        "en": "I have just logged in; send that again, please.",
        "zh": "我刚刚登录，请再发一次。",
    },
    "too_many": {
        "en": "Too many messages; I leave some out. Wait a little.",
        "zh": "消息太多，部分没有处理，请稍等。",
    },
    "bug": {
        "en": "That failed with a bug in the operation ({error}); the host's log has it (job {job}).",
        "zh": "操作内部出错（{error}），详见主机日志（任务 {job}）。",
    },
    "hook_bug": {
        "en": "Scene {scene}: {hook} failed with a bug ({error}); the host's log has it.",
        "zh": "场景 {scene}：{hook} 内部出错（{error}），详见主机日志。",
    },
    "timed_out": {
        "en": "Stopped: it ran longer than {seconds} s.",
        "zh": "已停止：运行超过 {seconds} 秒。",
    },
    "busy": {
        "en": "That is still running; wait for it to end.",
        "zh": "上一个还在运行，请等它结束。",
    },
    "interrupted": {
        "en": "I was restarted while “{text}” was running. It was interrupted and is not run again.",
        "zh": "执行“{text}”时我被重启，它已中断，不会重新执行。",
    },
    "done": {
        "en": "Done.",
        "zh": "完成。",
    },
    "repeated": {
        "en": "(repeated: I cannot tell whether this arrived before)",
        "zh": "（重复：无法确定之前是否送达）",
    },
    "expired": {
        "en": "(the picture has expired and is left out)",
        "zh": "（图片已过期，未发送）",
    },
    "n_more": {
        "en": "… and {n} more",
        "zh": "……还有 {n} 条",
    },
    "no_answer": {
        "en": "No answer in time; nothing was done.",
        "zh": "没有及时回答，什么也没做。",
    },
    "not_confirmed": {
        "en": "Not confirmed; nothing was done.",
        "zh": "未确认，什么也没做。",
    },
    "confirm": {
        "en": "{summary}\nTo confirm, answer: {nonce}",
        "zh": "{summary}\n确认请回复：{nonce}",
    },
    "bad_answer": {
        "en": "That is no such answer; nothing was done.",
        "zh": "回答无效，什么也没做。",
    },
    "load_failed": {
        "en": "Some operations could not be loaded:\n{problems}",
        "zh": "部分操作无法加载：\n{problems}",
    },
    "other_account": {
        "en": "Account {account} logged in on {channel}, but only {allowed} may. I am logging it out.",
        "zh": "{channel} 上登录的是 {account}，但只允许 {allowed}。正在将其登出。",
    },
    "log_not_written": {
        "en": "I cannot write the account log ({reason}): my partner would not see that I am out. Mend it on the host.",
        "zh": "无法写入账号日志（{reason}）：搭档将看不到我掉线。请在主机上处理。",
    },
    "rule_disabled": {
        "en": "Rule {rule} on {source} is switched off until the next start: {reason}.",
        "zh": "日志 {source} 的规则 {rule} 已停用，重启后恢复：{reason}。",
    },
    "suppressed": {
        "en": "Rule {rule} on {source}: {n} more matches suppressed in the last {seconds} s.",
        "zh": "日志 {source} 的规则 {rule}：最近 {seconds} 秒内另有 {n} 条匹配未发送。",
    },
    "log_elsewhere": {
        "en": "The log {source} is not on this machine: a command prints it. Look at it where it is.",
        "zh": "日志 {source} 不在本机，由命令读取。请到它所在的机器上查看。",
    },
    "gap": {
        "en": "Log {path}: {lost} of it could not be read ({reason}).",
        "zh": "日志 {path}：有{lost}无法读取（{reason}）。",
    },
    "gaps": {
        "en": "Log {path}: {n} more gaps in the last {seconds} s, {lost} of it could not be read (the latest: {reason}).",
        "zh": "日志 {path}：最近 {seconds} 秒内另有 {n} 处缺失，有{lost}无法读取（最近一处：{reason}）。",
    },
    "lost": {
        "en": "{size}",
        "zh": " {size} ",
    },
    "lost_some": {
        "en": "some",
        "zh": "一部分",
    },
    "state_lost": {
        "en": "{name} cannot write its state ({reason}). It stands still, and goes on by itself once that is mended.",
        "zh": "{name} 无法写入状态（{reason}）。已暂停，处理后会自动继续。",
    },
    "state_back": {
        "en": "I could not write my state since {since} ({reason}). I go on from what was written: logs are read from there; "
        "what was said to me meanwhile may have to be said again.",
        "zh": "自 {since} 起我无法写入状态（{reason}）。现从已写入处继续：日志从那里读起；期间对我说的话可能需要再说一次。",
    },
    "source_lags": {
        "en": "{size} behind, for {seconds} s",
        "zh": "落后 {size}，已 {seconds} 秒",
    },
    "source_polls": {
        "en": "polling{reason}",
        "zh": "轮询{reason}",
    },
    "source_gaps": {
        "en": "gaps since the start: {n}, {size} lost",
        "zh": "启动以来缺失 {n} 处，丢失 {size}",
    },
    "source_disabled_rules": {
        "en": "rules switched off: {n}",
        "zh": "已停用规则：{n}",
    },
    "source_slow_rules": {
        "en": "slow rules: {n}, see opsbot doctor",
        "zh": "慢规则：{n}，见 opsbot doctor",
    },
    "cut": {
        "en": "[{n} lines left out]",
        "zh": "[省略 {n} 行]",
    },
    "whole_output": {
        "en": "The whole output is in the file.",
        "zh": "完整输出见文件。",
    },
}


def text(key: str, language: Language, **values: object) -> str:
    """Give one text of the catalogue with its values filled in."""
    return TEXTS[key][language].format(**values)
