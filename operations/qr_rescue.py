"""Rescue a partner bot's login: when its log says that it waits for a scan, its owner gets the code as a picture."""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Literal

from opsbot.api import (
    ACCOUNT_PATTERNS,
    LOGIN_HOSTS,
    AccountRecord,
    Context,
    Field,
    LogEvent,
    Notification,
    Operation,
    Output,
    Pattern,
    QrCode,
    RecordKind,
    Risk,
    Rule,
    ScanStatus,
    Severity,
    command,
    is_login_payload,
    one_line,
    record_of,
)

Seconds = Annotated[float, Field(gt=0, le=3600)]
Minutes = Annotated[float, Field(gt=0, le=1440)]
SUSPICIOUS_CONFIRMS = 2
EPOCH = "1970-01-01T00:00:00+00:00"
SIGNED, SILENT = "signed", "silent"
"""How it is known that the partner is out: a signed record says so, or it leaves a ping unanswered."""
AT_ONCE = timedelta(0)
KEY = "rescue"
"""All that is said about one outage is one matter: a newer code, or the login, takes the place of what has not left yet."""


class QrRescue(Operation):
    """Send the login code of a partner bot to its owner, until the partner is back.

    Records that the partner signed (`pair_key`) are believed. Others may be forged: a code among them is sent only while the
    partner is known to be out because it has just left a ping unanswered, and never while a signed record says that it is out.
    """

    partner: str
    login_test: Annotated[str, Field(min_length=1, max_length=100)] = "#ping"
    login_answer: Pattern = r"(?i)^(pong|dong)$"
    scan_pattern: Pattern = ACCOUNT_PATTERNS["scan"]
    login_pattern: Pattern = ACCOUNT_PATTERNS["login"]
    login_hosts: tuple[str, ...] = ()
    partner_name: str = ""
    push_minutes: Minutes = 10
    code_valid_s: Seconds = 300
    ping_timeout_s: Seconds = 8
    ping_every_s: Seconds = 20
    answer_within_s: Seconds = 60
    escalate_minutes: Minutes = 10
    unverified_per_minute: Annotated[int, Field(ge=1, le=60)] = 3

    def rules(self) -> Iterable[Rule]:
        """See all scans, logins and logouts, however many: a flood of forged lines must not keep the signed one back."""
        patterns = {**ACCOUNT_PATTERNS, "scan": self.scan_pattern, "login": self.login_pattern}
        return [Rule(pattern, name, per_minute=0) for name, pattern in patterns.items()]

    async def on_log(self, ctx: Context, event: LogEvent) -> AsyncIterator[Notification]:
        """Follow what the partner's log says about its account."""
        record = record_of(event.rule.name, event.groups, event.fields)
        if record is None or self._is_replay(ctx, event):
            return
        is_trusted = bool(event.signed_by)
        if record.kind is RecordKind.LOGIN:
            told = self._login(ctx, record, is_trusted=is_trusted)
        elif record.kind is RecordKind.LOGOUT:
            told = self._out(ctx, SIGNED) if is_trusted else self._gone(ctx)
        elif is_trusted or self._is_silent(ctx):
            told = self._scan(ctx, record, is_trusted=is_trusted)
        else:
            told = self._doubt(ctx, record)
        for notification in told:
            yield notification

    def _is_replay(self, ctx: Context, event: LogEvent) -> bool:
        """A signed record counts once, and none that is older than one that was read already, nor one of our own."""
        if not event.signed_by:
            return False
        if event.signed_by == ctx.bot_name or event.signed_ms <= int(str(ctx.state.get("signed_ms", 0))):
            return True
        ctx.state["signed_ms"] = event.signed_ms
        return False

    # The outage, as it is believed

    def _open(self, ctx: Context, known_by: str) -> None:
        """Note that the partner is out; a signature outweighs silence."""
        if ctx.state.pop("awaiting", None):
            ctx.after("unanswered", None)  # nobody who is out answers a test
        if known_by == SIGNED:  # an answer from before counts no more, nor what was only believed for want of one
            unsigned = () if ctx.state.get("out") == SIGNED else ("code", "code_at", "seen", "pushed", "doubted")
            for key in ("answered", *unsigned):
                ctx.state.pop(key, None)
        if not ctx.state.get("out"):
            ctx.state["out_at"] = ctx.now.isoformat()
            ctx.after("escalate", timedelta(minutes=self.escalate_minutes))
        if ctx.state.get("out") != SIGNED:
            ctx.state["out"] = known_by

    def _tell(self, ctx: Context, notification: Notification) -> Iterator[Notification]:
        """Say something about the outage unless the rescue is off; what is said first opens the alert."""
        if ctx.state.get("off"):
            return
        reminder = ctx.text(en=f"{self.partner} is still out. Send: qr", zh=f"{self.partner} 仍未登录。发送 qr 获取二维码")
        yield replace(notification, reminder="" if ctx.state.get("reminds") else reminder)
        ctx.state["reminds"] = True

    def _out(self, ctx: Context, known_by: str) -> Iterator[Notification]:
        was_out = bool(ctx.state.get("out"))
        self._open(ctx, known_by)
        if not was_out:
            said = self._say(ctx, en="is out; the login code follows.", zh="掉线了，登录二维码随后发来。")
            yield from self._tell(ctx, replace(said, supersedes=True))

    def _scan(self, ctx: Context, record: AccountRecord, *, is_trusted: bool) -> Iterator[Notification]:
        """Handle a scan that is to be believed; the same state again says nothing new."""
        self._open(ctx, SIGNED if is_trusted else SILENT)
        state = f"{record.status} {record.payload}"
        if ctx.state.get("seen") == state:
            return
        ctx.state["seen"] = state
        if record.status in (ScanStatus.TIMEOUT, ScanStatus.CANCEL):
            ctx.state.pop("code", None)
        elif record.status is ScanStatus.WAITING and record.payload:
            yield from self._code(ctx, record.payload, is_trusted=is_trusted)
        elif (said := self._progress(ctx, record.status)) and (is_trusted or self._is_within_rate(ctx)):
            yield from self._tell(ctx, said)

    def _progress(self, ctx: Context, status: ScanStatus) -> Notification | None:
        if status is ScanStatus.WAITING:
            return self._say(ctx, en="no code: tap confirm on the phone.", zh="没有二维码：请在手机上点确认。")
        if status is ScanStatus.SCANNED:
            en = "scanned; confirm on the phone. A verification code is to be typed on the device, never in a chat."
            return self._say(ctx, en=en, zh="已扫码，请在手机上确认。若要求验证码，请在设备上输入，切勿发到聊天里。")
        if status is not ScanStatus.CONFIRMED:
            return None
        confirms = int(str(ctx.state.get("confirms", 0))) + 1
        ctx.state["confirms"] = confirms
        if confirms < SUSPICIOUS_CONFIRMS:
            return self._say(ctx, en="confirmed on the phone; waiting for the login.", zh="手机已确认，等待登录。")
        en = f"confirmed {confirms} times without a login: the account may be restricted. Stop scanning."
        return self._say(ctx, en=en, zh=f"已确认 {confirms} 次仍未登录：账号可能受限，请停止扫码。")

    def _code(self, ctx: Context, payload: str, *, is_trusted: bool) -> Iterator[Notification]:
        """Keep the newest code and send it while it is time to."""
        if not is_login_payload(payload, (*LOGIN_HOSTS, *(host.lower() for host in self.login_hosts))):
            if is_trusted or self._is_within_rate(ctx):
                en, zh = "its log shows a code of a foreign host; it was not sent.", "日志中的二维码指向陌生网站，未发送。"
                yield from self._tell(ctx, self._say(ctx, en=en, zh=zh))
            return
        ctx.state["code"], ctx.state["code_at"] = payload, ctx.now.isoformat()
        is_new = ctx.state.get("pushed") != payload
        if is_new and self._is_time_to_push(ctx) and not ctx.state.get("off") and (is_trusted or self._is_within_rate(ctx)):
            yield from self._tell(ctx, Notification(self._picture(ctx, payload), KEY, Severity.URGENT, True, self._valid_s(ctx)))
            ctx.state["pushed"] = payload

    def _picture(self, ctx: Context, payload: str) -> QrCode:
        """Draw a code with all that its reader must know."""
        at = f"{datetime.fromisoformat(str(ctx.state['code_at'])):%H:%M:%S} UTC"
        has_other = ctx.state.get("pushed") not in (None, payload)
        new = ctx.text(en="The code before it has expired. ", zh="之前的二维码已失效。") if has_other else ""
        caption = ctx.text(
            en=f"{new}Scan with the account of {self.partner} only. From the log {ctx.source}, {at}. Not expected? Do not scan.",
            zh=f"{new}请仅用 {self.partner} 的账号扫码。来自日志 {ctx.source}，{at}。如非预期，请勿扫码。",
        )
        return QrCode(payload, caption)

    # What is not believed yet

    def _is_silent(self, ctx: Context) -> bool:
        """Tell whether the partner is out by its silence, which it has neither just broken nor kept for too long unasked."""
        if ctx.state.get("out") != SILENT or ctx.state.get("awaiting") or ctx.state.get("answered"):
            return False
        return ctx.now - self._pinged_at(ctx) <= timedelta(minutes=self.push_minutes)

    def _doubt(self, ctx: Context, record: AccountRecord) -> Iterator[Notification]:
        """Keep an unsigned code back until the partner has had the time to show that it is not out."""
        if ctx.state.get("out") == SIGNED or (ctx.state.get("out") and ctx.state.get("answered")):
            return  # whoever can forge a line waits for just the moment when people expect a code
        if record.status is ScanStatus.WAITING and record.payload:
            ctx.state["doubted"] = record.payload
            yield from self._ping(ctx)
        elif record.status in (ScanStatus.TIMEOUT, ScanStatus.CANCEL):
            ctx.state.pop("doubted", None)

    def _gone(self, ctx: Context) -> Iterator[Notification]:
        """Doubt an unsigned logout. Whoever has just logged in may take its time to answer, but then its silence tells."""
        if ctx.state.get("awaiting") == "login":
            ctx.state["awaiting"] = "ping"
        return self._ping(ctx)

    def _ping(self, ctx: Context, purpose: str = "ping") -> Iterator[Notification]:
        """Ask the partner whether it is there, not in a flood; who is out is asked only because of a code that is in doubt."""
        if ctx.state.get("awaiting") or (purpose == "ping" and ctx.state.get("out") and not ctx.state.get("doubted")):
            return
        next_at = self._pinged_at(ctx) + timedelta(seconds=self.ping_every_s)
        if ctx.now < next_at:
            ctx.after(purpose, next_at - ctx.now)
            return
        yield self._test(ctx, purpose)

    def _pinged_at(self, ctx: Context) -> datetime:
        """When the partner was last asked; a time that is still to come says only that the clock was set back."""
        at = datetime.fromisoformat(str(ctx.state.get("pinged_at", EPOCH)))
        return at if at <= ctx.now else datetime.fromisoformat(EPOCH)

    def _test(self, ctx: Context, purpose: str) -> Notification:
        within_s = self.ping_timeout_s if purpose == "ping" else self.answer_within_s
        ctx.state["pinged_at"], ctx.state["awaiting"] = ctx.now.isoformat(), purpose
        ctx.state["left"] = self._leaves(ctx)
        ctx.after("unanswered", timedelta(seconds=within_s))
        return Notification(self.login_test, key=purpose, severity=Severity.URGENT, supersedes=True, chat=ctx.partner_chat)

    def _leaves(self, ctx: Context) -> bool:
        """Tell whether the channel to the partner is up, and was when it was asked; where that is unknown (a replay), it is."""
        for part in ctx.parts():
            if ctx.partner_chat and (part.kind, part.name) == ("channel", ctx.partner_chat.channel):
                is_up = part.state == "RUNNING" and (not part.detail or part.detail.startswith("logged in"))
                return is_up and not self._pinged_at(ctx) < part.since_at <= ctx.now
        return True

    # The login

    def _login(self, ctx: Context, record: AccountRecord, *, is_trusted: bool) -> Iterator[Notification]:
        """Note a login: the right account is tested, another one is an urgent alert. An unsigned one waits for its test."""
        if not self._is_partner(ctx, record):
            yield from self._alarm(ctx, record, is_trusted=is_trusted)
        elif is_trusted:
            yield from self._back(ctx)
            yield self._test(ctx, "login")
        else:
            yield from self._ping(ctx, "login")

    def _is_partner(self, ctx: Context, record: AccountRecord) -> bool:
        if record.account:
            return record.account in ctx.partner_accounts
        return not self.partner_name or record.name == self.partner_name

    def _alarm(self, ctx: Context, record: AccountRecord, *, is_trusted: bool) -> Iterator[Notification]:
        """Raise the alarm about another account; what somebody may have forged is not quoted."""
        if not is_trusted and not self._is_within_rate(ctx):
            return
        who = f": {one_line(record.name)} {record.account}" if is_trusted else ctx.text(en=", says its log", zh="（据日志）")
        en = f"Another account logged in instead of {self.partner}{who}. Check it at once."
        said = ctx.text(en=en, zh=f"登录的不是 {self.partner}，而是另一个账号{who}。请立即检查。")
        yield Notification(said, key="other_account", severity=Severity.URGENT)

    def _back(self, ctx: Context) -> Iterator[Notification]:
        """Forget the outage, and say so where it was spoken of."""
        reminds = ctx.state.get("reminds")
        for key in ("out", "code", "pushed", "seen", "confirms", "doubted", "reminds"):
            ctx.state.pop(key, None)
        ctx.state["back_at"] = ctx.now.isoformat()
        ctx.after("escalate", None)
        if reminds:
            said = self._say(ctx, en="is back.", zh="已恢复登录。")
            yield replace(said, supersedes=True, resolves=True)

    async def on_timer(self, ctx: Context, key: str) -> AsyncIterator[Notification]:
        """Draw the conclusion from silence, or from an answer."""
        told: Iterable[Notification] = ()
        if key == "escalate" and ctx.state.get("out") and not ctx.state.get("off"):
            told = (Notification(self._newest(ctx), KEY, Severity.URGENT, valid_for_s=self._valid_s(ctx), escalate=True),)
        elif key in ("ping", "login"):
            told = self._ping(ctx, key)
        elif key == "answered" and ctx.state.pop("answered", None) and ctx.state.get("out"):
            told = self._back(ctx)
        elif key == "off" and ctx.state.pop("reminds", None):
            said = self._say(ctx, en="the rescue is off.", zh="救援已关闭。")
            told = (replace(said, resolves=True, supersedes=True),)
        elif key == "unanswered":
            told = self._unanswered(ctx, ctx.state.pop("awaiting", None))
        for notification in told:
            yield notification

    def _unanswered(self, ctx: Context, purpose: object) -> Iterator[Notification]:
        """Draw the conclusion, unless the question may not have left, or the answer came while nobody listened."""
        if purpose and not (ctx.state.pop("left", False) and self._leaves(ctx)):
            yield self._test(ctx, str(purpose))
            return
        doubted = ctx.state.pop("doubted", None)
        if purpose == "login":
            if ctx.state.get("out") == SILENT:
                yield from self._back(ctx)  # its log is all there is to go by, and people are told to look
            yield self._say(ctx, en="the login test was not answered; check it.", zh="登录测试没有得到回应，请检查。")
        elif purpose == "ping" and not isinstance(doubted, str):
            yield from self._out(ctx, SILENT)
        if purpose and isinstance(doubted, str) and ctx.state.get("out") != SIGNED:
            code = AccountRecord(kind=RecordKind.SCAN, status=ScanStatus.WAITING, payload=doubted)
            yield from self._scan(ctx, code, is_trusted=False)

    async def on_partner_message(self, ctx: Context, text: str) -> Output | None:
        """Answer the partner's login test, and take its answer to ours; neither is ever a command."""
        if text == self.login_test:
            return "pong"
        if not re.search(self.login_answer, text.strip()):
            return None
        was_asked = ctx.state.pop("awaiting", None) is not None
        ctx.state.pop("doubted", None)  # it answers, so it is not out: the code was forged, or is history
        ctx.after("unanswered", None)
        if is_silent := ctx.state.get("out") == SILENT:
            ctx.state.pop("code", None)
        if was_asked or is_silent:
            ctx.state["answered"] = True
            ctx.after("answered", AT_ONCE)
        return ""

    # What people ask for

    @command("qr", aliases=("二维码",), risk=Risk.READ, for_partner=True)
    async def qr(self, ctx: Context) -> Output:
        """Send the newest login code, or say how the partner does."""
        return self._newest(ctx)

    @command("status", aliases=("状态",), risk=Risk.READ, for_partner=True)
    async def status(self, ctx: Context) -> str:
        """Say whether the partner is in, out, or being rescued."""
        return self._state(ctx)

    @command("rescue", risk=Risk.WRITE)
    async def rescue(self, ctx: Context, switch: Literal["on", "off"]) -> Output:
        """Turn the rescue on or off; it stays so over restarts."""
        return self._switch(ctx, off=switch == "off")

    @command("enable-qrRescue", risk=Risk.WRITE)
    async def enable(self, ctx: Context) -> Output:
        """Turn the rescue on (the ancestor's word for `rescue on`)."""
        return self._switch(ctx, off=False)

    @command("disable-qrRescue", risk=Risk.WRITE)
    async def disable(self, ctx: Context) -> Output:
        """Turn the rescue off (the ancestor's word for `rescue off`)."""
        return self._switch(ctx, off=True)

    def _switch(self, ctx: Context, *, off: bool) -> Output:
        ctx.state["off"] = off
        if not off:
            return self._newest(ctx)
        ctx.after("off", AT_ONCE)  # a command cannot resolve the alert, a timer can
        return self._state(ctx)

    def _newest(self, ctx: Context) -> Output:
        """Give the newest code that is still good, else the state; a code that is in doubt is never shown."""
        code = ctx.state.get("code")
        return self._picture(ctx, code) if isinstance(code, str) and self._valid_s(ctx) > 0 else self._state(ctx)

    def _valid_s(self, ctx: Context) -> float:
        """How much longer the newest code is good, 0 when there is none."""
        if not (ctx.state.get("out") and ctx.state.get("code")):
            return 0.0
        age = ctx.now - datetime.fromisoformat(str(ctx.state["code_at"]))
        return max(0.0, self.code_valid_s - age.total_seconds())

    def _state(self, ctx: Context) -> str:
        off = ctx.text(en=" The rescue is off.", zh="救援已关闭。") if ctx.state.get("off") else ""
        since = str(ctx.state.get("out_at" if ctx.state.get("out") else "back_at", ""))[:19]
        if ctx.state.get("out"):
            has = ctx.text(en="no valid code at the moment", zh="目前没有有效的二维码")
            if self._valid_s(ctx) > 0:
                has = ctx.text(en="send qr for its code", zh="发送 qr 获取二维码")
            said = ctx.text(
                en=f"{self.partner} is out since {since}Z; {has}.", zh=f"{self.partner} 自 {since}Z 起未登录；{has}。"
            )
            return said + off
        if ctx.state.get("awaiting"):
            return (
                ctx.text(en=f"{self.partner}: waiting for an answer to a test.", zh=f"{self.partner}：正在等待测试回应。") + off
            )
        seen = ctx.text(en=f" since {since}Z", zh=f"（自 {since}Z）") if since else ""
        en = f"{self.partner} is logged in{seen}, as far as its log says."
        return ctx.text(en=en, zh=f"据日志，{self.partner} 已登录{seen}。") + off

    def _say(self, ctx: Context, *, en: str, zh: str) -> Notification:
        said = ctx.text(en=f"{self.partner}: {en}", zh=f"{self.partner}：{zh}")
        return Notification(said, key=KEY, severity=Severity.URGENT)

    def _is_time_to_push(self, ctx: Context) -> bool:
        return ctx.now - datetime.fromisoformat(str(ctx.state["out_at"])) <= timedelta(minutes=self.push_minutes)

    def _is_within_rate(self, ctx: Context) -> bool:
        """Count something unsigned that would be said."""
        sent = ctx.state.get("unverified_at")
        known = [str(at) for at in sent] if isinstance(sent, list) else []
        recent = [at for at in known if AT_ONCE <= ctx.now - datetime.fromisoformat(at) < timedelta(minutes=1)]
        is_within = len(recent) < self.unverified_per_minute
        ctx.state["unverified_at"] = [*recent, ctx.now.isoformat()] if is_within else list(recent)
        return is_within
