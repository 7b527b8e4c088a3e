"""Rescue a partner bot's login: when its log says that it waits for a scan, its owner gets the code as a picture."""

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
COMMANDS = ("qr", "status")
SUSPICIOUS_CONFIRMS = 2
EPOCH = "1970-01-01T00:00:00+00:00"
KEY = "rescue"
"""All that is said about one outage is one matter: a newer code, or the login, takes the place of what has not left yet."""


class QrRescue(Operation):
    """Send the login code of a partner bot to its owner, until the partner is back.

    Records that the partner signed (`pair_key`) are believed. Others may be forged: they count only while the partner is
    known to be out because it leaves a ping unanswered. While it is out because a signed record said so, only such count.
    """

    partner: str
    login_test: Annotated[str, Field(min_length=1, max_length=100)] = "#ping"
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
        """See scans, logins and logouts, in the words of starter bots or in opsbot's JSON."""
        patterns = {**ACCOUNT_PATTERNS, "scan": self.scan_pattern, "login": self.login_pattern}
        return [Rule(pattern, name) for name, pattern in patterns.items()]

    async def on_log(self, ctx: Context, event: LogEvent) -> AsyncIterator[Notification]:
        """Follow what the partner's log says about its account."""
        record = record_of(event.rule.name, event.groups, event.fields)
        is_trusted = bool(event.signed_by)
        if record is None or self._is_replay(ctx, event) or (not is_trusted and self._is_out_by_signature(ctx)):
            return
        if record.kind is RecordKind.LOGIN:
            told = self._back(ctx, record, is_trusted=is_trusted)
        elif record.kind is RecordKind.LOGOUT:
            told = self._out(ctx, is_trusted=True) if is_trusted else self._ping(ctx)
        elif is_trusted or ctx.state.get("out"):
            told = self._scan(ctx, record, is_trusted=is_trusted)
        else:
            told = self._doubt(ctx, record)
        for notification in told:
            yield notification

    def _is_replay(self, ctx: Context, event: LogEvent) -> bool:
        """A signed record counts once, and none that is older than one that was read already."""
        if not event.signed_by:
            return False
        if event.signed_by == ctx.bot_name or event.signed_ms <= int(str(ctx.state.get("signed_ms", 0))):
            return True
        ctx.state["signed_ms"] = event.signed_ms
        return False

    def _is_out_by_signature(self, ctx: Context) -> bool:
        """Whoever can forge a line waits for just the moment when people expect a code."""
        return bool(ctx.state.get("out")) and bool(ctx.state.get("signs"))

    def _opened(self, ctx: Context, *, is_trusted: bool) -> str:
        """Note that the partner is out; the first sign of it gives the reminder that goes with what is said."""
        if ctx.state.pop("awaiting", None):
            ctx.after("unanswered", None)  # nobody who is out answers a test
        if is_trusted or not ctx.state.get("out"):
            ctx.state["signs"] = is_trusted
        if ctx.state.get("out"):
            return ""
        ctx.state["out"] = True
        ctx.state["out_at"] = ctx.now.isoformat()
        ctx.after("escalate", timedelta(minutes=self.escalate_minutes))
        return ctx.text(en=f"{self.partner} is still out. Send: qr", zh=f"{self.partner} 仍未登录。发送 qr 获取二维码")

    def _out(self, ctx: Context, *, is_trusted: bool) -> Iterator[Notification]:
        """Handle a logout that is to be believed."""
        reminder = self._opened(ctx, is_trusted=is_trusted)
        if reminder and self._is_on(ctx):
            said = self._say(ctx, en="is out; the login code follows.", zh="掉线了，登录二维码随后发来。")
            yield replace(said, supersedes=True, reminder=reminder)

    def _scan(self, ctx: Context, record: AccountRecord, *, is_trusted: bool) -> Iterator[Notification]:
        """Handle a scan that is to be believed; what is said first carries the reminder."""
        reminder = self._opened(ctx, is_trusted=is_trusted)
        for notification in self._progress(ctx, record, is_trusted=is_trusted):
            if self._is_on(ctx):
                yield replace(notification, reminder=reminder)
                reminder = ""

    def _progress(self, ctx: Context, record: AccountRecord, *, is_trusted: bool) -> Iterator[Notification]:
        if record.status is ScanStatus.WAITING and record.payload:
            yield from self._code(ctx, record.payload, is_trusted=is_trusted)
        elif record.status is ScanStatus.WAITING:
            yield self._say(ctx, en="no code: tap confirm on the phone.", zh="没有二维码：请在手机上点确认。")
        elif record.status is ScanStatus.SCANNED:
            yield self._say(
                ctx,
                en="scanned; confirm on the phone. A verification code is to be typed on the device, never in a chat.",
                zh="已扫码，请在手机上确认。若要求验证码，请在设备上输入，切勿发到聊天里。",
            )
        elif record.status is ScanStatus.CONFIRMED:
            yield self._confirmed(ctx)
        elif record.status in (ScanStatus.TIMEOUT, ScanStatus.CANCEL):
            ctx.state.pop("code", None)

    def _confirmed(self, ctx: Context) -> Notification:
        confirms = int(str(ctx.state.get("confirms", 0))) + 1
        ctx.state["confirms"] = confirms
        if confirms >= SUSPICIOUS_CONFIRMS:
            return self._say(
                ctx,
                en=f"confirmed {confirms} times without a login: the account may be restricted. Stop scanning.",
                zh=f"已确认 {confirms} 次仍未登录：账号可能受限，请停止扫码。",
            )
        return self._say(ctx, en="confirmed on the phone; waiting for the login.", zh="手机已确认，等待登录。")

    def _code(self, ctx: Context, payload: str, *, is_trusted: bool) -> Iterator[Notification]:
        """Keep the newest code and send it while it is time to."""
        if not is_login_payload(payload, (*LOGIN_HOSTS, *self.login_hosts)):
            yield self._say(
                ctx, en="its log shows a code of a foreign host; it was not sent.", zh="日志中的二维码指向陌生网站，未发送。"
            )
            return
        if ctx.state.get("code") == payload:
            return
        was_shown = bool(ctx.state.get("shown"))
        ctx.state["code"], ctx.state["code_at"] = payload, ctx.now.isoformat()
        if not self._is_on(ctx) or not self._is_time_to_push(ctx) or not (is_trusted or self._is_within_rate(ctx)):
            return
        ctx.state["shown"] = True
        code = QrCode(payload, self._caption(ctx, was_shown=was_shown))
        yield Notification(code, key=KEY, severity=Severity.URGENT, supersedes=True, valid_for_s=self.code_valid_s)

    def _caption(self, ctx: Context, *, was_shown: bool) -> str:
        at = f"{ctx.now:%H:%M:%S} UTC"
        new = ctx.text(en="The code before it has expired. ", zh="之前的二维码已失效。") if was_shown else ""
        return ctx.text(
            en=f"{new}Scan with the account of {self.partner} only. From the log {ctx.source}, {at}. Not expected? Do not scan.",
            zh=f"{new}请仅用 {self.partner} 的账号扫码。来自日志 {ctx.source}，{at}。如非预期，请勿扫码。",
        )

    def _doubt(self, ctx: Context, record: AccountRecord) -> Iterator[Notification]:
        """Keep an unsigned code back until the partner has had the time to show that it is not out."""
        if record.status is ScanStatus.WAITING and record.payload:
            ctx.state["doubted"] = record.payload
            yield from self._ping(ctx)
        elif record.status in (ScanStatus.TIMEOUT, ScanStatus.CANCEL):
            ctx.state.pop("doubted", None)

    def _ping(self, ctx: Context) -> Iterator[Notification]:
        """Ask the partner whether it is there; forged lines must not make a flood of it."""
        if ctx.state.get("awaiting") or ctx.state.get("out"):
            return
        next_at = datetime.fromisoformat(str(ctx.state.get("pinged_at", EPOCH))) + timedelta(seconds=self.ping_every_s)
        if ctx.now < next_at:
            ctx.after("ping", next_at - ctx.now)
            return
        ctx.state["pinged_at"] = ctx.now.isoformat()
        ctx.state["awaiting"] = "ping"
        ctx.after("unanswered", timedelta(seconds=self.ping_timeout_s))
        yield Notification(self.login_test, key="ping", severity=Severity.URGENT, supersedes=True, chat=ctx.partner_chat)

    def _back(self, ctx: Context, record: AccountRecord, *, is_trusted: bool) -> Iterator[Notification]:
        """Note a login: the right account is tested, another one is an urgent alert."""
        name = one_line(record.name)
        if not self._is_partner(ctx, record):
            said = ctx.text(
                en=f"Another account logged in instead of {self.partner}: {name} {record.account}. Check it at once.",
                zh=f"登录的不是 {self.partner}，而是另一个账号：{name} {record.account}。请立即检查。",
            )
            yield Notification(said, key="other_account", severity=Severity.URGENT)
            return
        was_out = bool(ctx.state.get("out"))
        for key in ("code", "shown", "confirms", "doubted"):
            ctx.state.pop(key, None)
        ctx.state["out"] = False if is_trusted else ctx.state.get("out", False)
        ctx.state["awaiting"] = "login"
        ctx.state["back_at"] = ctx.now.isoformat()
        ctx.after("escalate", None)
        ctx.after("unanswered", timedelta(seconds=self.answer_within_s))
        if was_out and self._is_on(ctx):
            said = ctx.text(en=f"{self.partner} is back ({name}).", zh=f"{self.partner} 已恢复登录（{name}）。")
            yield Notification(said, key=KEY, severity=Severity.URGENT, supersedes=True, resolves=True)
        yield Notification(self.login_test, key="test", severity=Severity.URGENT, supersedes=True, chat=ctx.partner_chat)

    def _is_partner(self, ctx: Context, record: AccountRecord) -> bool:
        if record.account:
            return record.account == ctx.partner_account
        return not self.partner_name or record.name == self.partner_name

    async def on_timer(self, ctx: Context, key: str) -> AsyncIterator[Notification]:
        """Draw the conclusion from silence."""
        if key == "escalate" and ctx.state.get("out") and self._is_on(ctx):
            yield Notification(self._newest(ctx), key="escalated", severity=Severity.URGENT, escalate=True)
        if key == "ping":
            for notification in self._ping(ctx):
                yield notification
        awaiting = ctx.state.pop("awaiting", None) if key == "unanswered" else None
        if awaiting == "login":
            ctx.state["out"] = False if ctx.state.get("code") is None else ctx.state.get("out", False)
            yield self._say(ctx, en="the login test was not answered; check it.", zh="登录测试没有得到回应，请检查。")
        elif awaiting == "ping":
            doubted = ctx.state.pop("doubted", None)
            told = self._out(ctx, is_trusted=False)
            if isinstance(doubted, str):
                told = self._scan(
                    ctx, AccountRecord(kind=RecordKind.SCAN, status=ScanStatus.WAITING, payload=doubted), is_trusted=False
                )
            for notification in told:
                yield notification

    async def on_partner_message(self, ctx: Context, text: str) -> Output | None:
        """Answer the partner's login test, and take its answer to ours; neither is ever a command."""
        if text == self.login_test:
            return "pong"
        if text.casefold() in COMMANDS:
            return None
        awaiting = ctx.state.pop("awaiting", None)
        if awaiting is None:
            return "" if text == "pong" else None
        ctx.after("unanswered", None)
        ctx.state.pop("doubted", None)  # it answers, so it is not out: the code was forged, or is history
        ctx.state["out"] = False
        return ""

    @command("qr", aliases=("二维码",), risk=Risk.READ, for_partner=True)
    async def qr(self, ctx: Context) -> Output:
        """Send the newest login code, or say how the partner does."""
        return self._newest(ctx)

    @command("status", aliases=("状态",), risk=Risk.READ, for_partner=True)
    async def status(self, ctx: Context) -> str:
        """Say whether the partner is in, out, or being rescued."""
        return self._state(ctx)

    @command("rescue", risk=Risk.WRITE)
    async def rescue(self, ctx: Context, switch: Literal["on", "off"]) -> str:
        """Turn the rescue on or off; it stays so over restarts."""
        return self._switch(ctx, off=switch == "off")

    @command("enable-qrRescue", risk=Risk.WRITE)
    async def enable(self, ctx: Context) -> str:
        """Turn the rescue on (the ancestor's word for `rescue on`)."""
        return self._switch(ctx, off=False)

    @command("disable-qrRescue", risk=Risk.WRITE)
    async def disable(self, ctx: Context) -> str:
        """Turn the rescue off (the ancestor's word for `rescue off`)."""
        return self._switch(ctx, off=True)

    def _switch(self, ctx: Context, *, off: bool) -> str:
        ctx.state["off"] = off
        return self._state(ctx)

    def _newest(self, ctx: Context) -> Output:
        """Give the newest code that is still good, else the state; a code that is in doubt is never shown."""
        code, at = ctx.state.get("code"), ctx.state.get("code_at")
        if not (ctx.state.get("out") and isinstance(code, str) and isinstance(at, str)):
            return self._state(ctx)
        if ctx.now - datetime.fromisoformat(at) > timedelta(seconds=self.code_valid_s):
            return self._state(ctx)
        return QrCode(code, self._caption(ctx, was_shown=bool(ctx.state.get("shown"))))

    def _state(self, ctx: Context) -> str:
        off = ctx.text(en=" The rescue is off.", zh="救援已关闭。") if not self._is_on(ctx) else ""
        since = str(ctx.state.get("out_at" if ctx.state.get("out") else "back_at", ""))[:19]
        if ctx.state.get("out"):
            return ctx.text(
                en=f"{self.partner} is out since {since}Z; no valid code at the moment.{off}",
                zh=f"{self.partner} 自 {since}Z 起未登录；目前没有有效的二维码。{off}",
            )
        if ctx.state.get("awaiting"):
            return ctx.text(
                en=f"{self.partner}: waiting for an answer to a test.{off}", zh=f"{self.partner}：正在等待测试回应。{off}"
            )
        seen = ctx.text(en=f" since {since}Z", zh=f"（自 {since}Z）") if since else ""
        return ctx.text(
            en=f"{self.partner} is logged in{seen}, as far as its log says.{off}",
            zh=f"据日志，{self.partner} 已登录{seen}。{off}",
        )

    def _say(self, ctx: Context, *, en: str, zh: str) -> Notification:
        said = ctx.text(en=f"{self.partner}: {en}", zh=f"{self.partner}：{zh}")
        return Notification(said, key=KEY, severity=Severity.URGENT)

    def _is_on(self, ctx: Context) -> bool:
        return not ctx.state.get("off")

    def _is_time_to_push(self, ctx: Context) -> bool:
        out_at = ctx.state.get("out_at")
        return not isinstance(out_at, str) or ctx.now - datetime.fromisoformat(out_at) <= timedelta(minutes=self.push_minutes)

    def _is_within_rate(self, ctx: Context) -> bool:
        sent = ctx.state.get("unverified_at")
        minute_ago = ctx.now - timedelta(minutes=1)
        recent = (
            [at for at in sent if isinstance(at, str) and datetime.fromisoformat(at) > minute_ago]
            if isinstance(sent, list)
            else []
        )
        is_within = len(recent) < self.unverified_per_minute
        ctx.state["unverified_at"] = [*recent, ctx.now.isoformat()] if is_within else list(recent)
        return is_within
