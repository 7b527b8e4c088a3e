"""Restart a PM2 process from chat, and look whether it stays up."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from opsbot.api import (
    Chat,
    CommandError,
    Context,
    Execution,
    Field,
    Notification,
    Operation,
    ProcessName,
    Risk,
    Severity,
    command,
)

LOOK_EVERY_S = 1.0
LINE_LEAVES_S = 1.0
LOOPING = ("errored", "waiting restart")
AbsolutePath = Annotated[str, Field(pattern="^(/.*)?$")]


@dataclass(frozen=True, slots=True)
class Process:
    """What is picked of PM2's list; the rest of it holds the process's environment, secrets included, and is dropped."""

    id: str
    name: str
    namespace: str
    pid: int
    status: str
    restarts: int


class Pm2Restart(Operation):
    """Restart a PM2 process.

    PM2's daemon belongs to a user: `pm2_home` is its folder and `run_as` that user. `restart NAME` takes the names in
    `others` besides `process`.
    """

    process: ProcessName
    others: tuple[ProcessName, ...] = ()
    pm2_home: AbsolutePath = ""
    run_as: str = ""
    watch_s: Annotated[float, Field(ge=0, le=30)] = 5
    program: Annotated[str, Field(min_length=1)] = "pm2"

    @command("restart", aliases=("重启",), risk=Risk.WRITE, timeout_s=90, exclusive=True)
    async def restart(self, ctx: Context, name: ProcessName = "") -> AsyncIterator[str]:
        """Restart the process, show what PM2 says, and watch for some seconds whether it stays up."""
        if name and name not in (self.process, *self.others):
            allowed = ", ".join((self.process, *self.others))
            raise CommandError(ctx.text(en=f"{name} is not mine to restart; I restart: {allowed}", zh=f"只能重启：{allowed}"))
        before = await self._processes(ctx, name or self.process)
        is_own = any(process.pid == ctx.own_pid for process in before)
        if is_own:
            ctx.state["asked_in"] = {"channel": ctx.chat.channel, "chat_id": ctx.chat.chat_id, "is_room": ctx.chat.is_room}
            ctx.expect_restart()
            yield ctx.text(en="That is myself: I restart and say so here when I am back.", zh="这是我自己：重启后在这里通知。")
            await ctx.sleep(LINE_LEAVES_S)
        restart = self._pm2(ctx, "restart", *(process.id for process in before))
        async for line in restart:
            if line.startswith(("[PM2]", "exit ")):  # the rest is a table, which no phone can show
                yield line
        if restart.exit:
            ctx.state.pop("asked_in", None)
        else:
            yield await self._outcome(ctx, before)

    async def on_start(self, ctx: Context) -> Notification | None:
        """Tell whoever asked for a restart of opsbot itself that it is back."""
        chat = ctx.state.pop("asked_in", None)
        if not isinstance(chat, dict):
            return None
        said = ctx.text(en=f"{ctx.bot_name} is back, pid {ctx.own_pid}.", zh=f"{ctx.bot_name} 已重启，pid {ctx.own_pid}。")
        asked_in = Chat(str(chat["channel"]), str(chat["chat_id"]), is_room=bool(chat["is_room"]))
        return Notification(said, severity=Severity.URGENT, chat=asked_in)

    async def _outcome(self, ctx: Context, before: Sequence[Process]) -> str:
        """Look again and again: PM2 calls a restart a success although the process ends at once."""
        name, first = before[0].name, await self._processes(ctx, before[0].name)
        latest, watched_s = first, 0.0
        while watched_s < self.watch_s and not _is_looping(before, first, latest):
            delay_s = min(LOOK_EVERY_S, self.watch_s - watched_s)
            await ctx.sleep(delay_s)
            watched_s += delay_s
            latest = await self._processes(ctx, name)
        states = ", ".join(dict.fromkeys(process.status for process in latest))
        pids = ", ".join(str(process.pid) for process in latest)
        count = sum(process.restarts for process in latest)
        if _is_looping(before, first, latest):
            return ctx.text(
                en=f"{name} does not stay up, it is crash-looping: {states}, restart count {count}. Look at its log.",
                zh=f"{name} 反复崩溃：{states}，重启次数 {count}。请查看它的日志。",
            )
        return ctx.text(
            en=f"{name}: {states}, pid {pids}, restart count {count}", zh=f"{name}：{states}，pid {pids}，重启次数 {count}"
        )

    async def _processes(self, ctx: Context, name: str) -> list[Process]:
        """Give the processes of that name (several in cluster mode)."""
        listing = self._pm2(ctx, "jlist", "-s")
        lines = await listing.lines(report_exit=False)
        known = _read("".join(lines)) if listing.exit == 0 else None
        if known is None:
            raise CommandError(ctx.text(en=f"{self.program} jlist failed (exit {listing.exit})", zh=f"{self.program} jlist 失败"))
        found = [process for process in known if process.name == name]
        if not found:
            names = ", ".join(sorted({process.name for process in known})) or "-"
            raise CommandError(
                ctx.text(en=f"PM2 has no process {name}; it has: {names}", zh=f"PM2 没有进程 {name}；现有：{names}")
            )
        if {process.id for process in found} & {word for process in known for word in (process.name, process.namespace)}:
            raise CommandError(
                ctx.text(
                    en=f"A process is named like PM2's number of {name}; rename it.",
                    zh=f"有进程的名字与 {name} 的编号相同，请改名。",
                )
            )
        return found

    def _pm2(self, ctx: Context, *argv: str) -> Execution:
        """Run PM2 with numbers of its own list, never with names.

        A name may also be a namespace, a number or `all`, and after `--` PM2 restarts nothing and exits with 0 (7.0.4, 2026-11).
        """
        env = {"PM2_HOME": self.pm2_home} if self.pm2_home else None
        return ctx.run(self.program, *argv, env=env, run_as=self.run_as)


def _is_looping(before: Sequence[Process], first: Sequence[Process], latest: Sequence[Process]) -> bool:
    """Tell whether a process was started more often than we did it, or was given up."""
    asked_for = _restarts(before) + len(before)
    return (
        _restarts(first) > asked_for
        or _restarts(latest) > _restarts(first)
        or any(process.status in LOOPING for process in latest)
    )


def _restarts(processes: Sequence[Process]) -> int:
    return sum(process.restarts for process in processes)


def _read(text: str) -> list[Process] | None:
    """Read PM2's list; what PM2 prints in front of it (it may just have started its daemon) is skipped."""
    start = text.find("[")
    while start >= 0:
        try:
            listed, _ = json.JSONDecoder().raw_decode(text, start)
            return [_picked(one) for one in listed]
        except (ValueError, KeyError, TypeError):
            start = text.find("[", start + 1)
    return None


def _picked(one: dict[str, Any]) -> Process:
    env = one["pm2_env"]
    return Process(
        id=str(one["pm_id"]), name=str(one["name"]), namespace=str(env.get("namespace", "")), pid=int(one["pid"] or 0),
        status=str(env["status"]), restarts=int(env["restart_time"]),
    )  # fmt: skip
