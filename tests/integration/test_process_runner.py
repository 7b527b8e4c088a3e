"""The runner with real programs, trees of programs, and programs that will not end."""

import asyncio
import os
import pwd
import signal
import string
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from opsbot.adapters.process import running
from opsbot.adapters.process.refusal import TEXTS
from opsbot.adapters.process.runner import ProcessRunner
from opsbot.adapters.process.survivor import group_lives
from opsbot.core.catalogue import Language
from opsbot.core.errors import CommandError

PATH = os.environ["PATH"]
NOBODY = "nobody"


@pytest.fixture
def runner() -> ProcessRunner:
    return ProcessRunner({"PATH": PATH})


@pytest.fixture
def services() -> Iterator[list[int]]:
    """Pids that the test leaves running on purpose."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(autouse=True)
async def _bounded() -> AsyncIterator[None]:
    async with asyncio.timeout(30):
        yield


async def output(runner: ProcessRunner, *argv: str, timeout_s: float = 20, **options: Any) -> list[str]:
    async with runner.run(argv, timeout_s=timeout_s, **options) as process:
        return [line async for line in process]


async def exit_of(runner: ProcessRunner, *argv: str, timeout_s: float = 20) -> tuple[int, bool]:
    async with runner.run(argv, timeout_s=timeout_s) as process:
        async for _ in process:
            pass
    return process.exit_status, process.timed_out


def lives(pid: int) -> bool:
    try:
        state = (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def a_file(folder: Path, content: str, mode: int) -> str:
    path = folder / "file"
    path.write_text(content)
    path.chmod(mode)
    return str(path)


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 the kernel sets no Event
        await asyncio.sleep(0.01)


# What comes out


async def test_stderr_comes_in_its_place_among_stdout(runner: ProcessRunner) -> None:
    lines = await output(runner, "sh", "-c", "echo 1; echo 2 >&2; echo 3; echo 4 >&2")

    assert lines == ["1", "2", "3", "4"]


async def test_colours_and_progress_come_down_to_what_was_seen_last(runner: ProcessRunner) -> None:
    lines = await output(runner, "printf", r"\033[32mok\033[0m\n10%%\r100%%\rdone\n\033]0;t\007\342\200\256x\n")

    assert lines == ["ok", "done", "x"]


async def test_character_that_arrives_in_two_halves_is_whole(runner: ProcessRunner) -> None:
    lines = await output(runner, "sh", "-c", r"printf '\351\207'; sleep 0.05; printf '\215\n'")

    assert lines == ["重"]


async def test_endless_line_comes_in_pieces(runner: ProcessRunner) -> None:
    lines = await output(runner, "sh", "-c", r"head -c 3000000 /dev/zero | tr '\0' x")

    assert (max(map(len, lines)), sum(map(len, lines))) == (8192, 3_000_000)


async def test_lines_are_all_there_when_the_program_ends_long_before_they_are_read(
    runner: ProcessRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LINGER_S", 0.0)
    async with runner.run(["sh", "-c", "echo $$; exec seq 10000"], timeout_s=20) as process:
        pid = int(await anext(process))
        await until(lambda: not Path(f"/proc/{pid}").exists())
        await asyncio.sleep(0.05)  # the end was noticed, and LINGER_S is over

        lines = [line async for line in process]

    assert lines == [str(number) for number in range(1, 10001)]


async def test_flood_stops_at_the_program_while_nobody_reads(runner: ProcessRunner) -> None:
    def written_bytes() -> int:
        return int(Path(f"/proc/{pid}/io").read_text().split("wchar: ")[1].split()[0])

    async with runner.run(["sh", "-c", "echo $$; exec yes"], timeout_s=20) as process:
        pid = int(await anext(process))
        before, now = -1, 0
        while before != now:
            await asyncio.sleep(0.05)
            before, now = now, written_bytes()

    assert now < 1_000_000


async def test_flood_is_not_cut_by_a_slow_reader(runner: ProcessRunner) -> None:
    n_lines = 0
    async with runner.run(["seq", "60000"], timeout_s=20) as process:
        async for line in process:
            n_lines += 1
            assert line == str(n_lines)
            if n_lines % 5000 == 0:
                await asyncio.sleep(0.01)

    assert n_lines == 60000


async def test_flood_ends_when_its_time_is_over(runner: ProcessRunner) -> None:
    assert await exit_of(runner, "yes", timeout_s=0.2) == (-signal.SIGTERM, True)


# How it ends


async def test_exit_status_of_a_killed_program_is_negative(runner: ProcessRunner) -> None:
    assert await exit_of(runner, "sh", "-c", "kill -9 $$") == (-9, False)


async def test_exit_status_is_not_known_before_the_end(runner: ProcessRunner) -> None:
    async with runner.run(["sleep", "60"], timeout_s=20) as process:
        with pytest.raises(RuntimeError, match=r"not ended"):
            _ = process.exit_status


async def test_program_in_the_background_does_not_hold_the_end(runner: ProcessRunner) -> None:
    async with asyncio.timeout(5):
        lines = await output(runner, "sh", "-c", "sleep 60 & echo started")

    assert lines == ["started"]


async def test_program_in_the_background_that_floods_does_not_hold_the_end(runner: ProcessRunner) -> None:
    async with asyncio.timeout(5):
        lines = await output(runner, "sh", "-c", "echo started; yes & exit 0")

    assert lines[0] == "started"


async def test_program_in_the_background_ends_with_the_run(runner: ProcessRunner) -> None:
    [pid] = await output(runner, "sh", "-c", "sleep 60 & echo $!")

    assert not lives(int(pid))


async def test_program_may_clean_up_and_speak_when_it_is_ended(runner: ProcessRunner, tmp_path: Path) -> None:
    clean_up = f"yes | head -n 100000; sleep 0.1; echo bye && touch {tmp_path}/clean; exit"
    async with runner.run(
        ["sh", "-c", f"trap '{clean_up}' TERM; echo ready; while :; do sleep 0.01; done"], timeout_s=20
    ) as process:
        await anext(process)

    assert names_in(tmp_path) == ["clean"]


STUBBORN = "trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo $$ $!; while :; do sleep 1; done"


async def test_tree_that_ignores_term_is_killed_when_the_run_is_left(
    runner: ProcessRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "TERM_GRACE_S", 0.1)
    async with runner.run(["sh", "-c", STUBBORN], timeout_s=20) as process:
        pids = (await anext(process)).split()

    assert [pid for pid in pids if lives(int(pid))] == []


async def test_tree_that_ignores_term_is_killed_when_its_time_is_over(
    runner: ProcessRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "TERM_GRACE_S", 0.1)
    async with runner.run(["sh", "-c", STUBBORN], timeout_s=0.2) as process:
        [line] = [line async for line in process]

    assert (process.timed_out, process.exit_status) == (True, -signal.SIGKILL)
    assert [pid for pid in line.split() if lives(int(pid))] == []


async def test_cancelled_run_ends_its_program(runner: ProcessRunner) -> None:
    pids: list[str] = []

    async def run() -> None:
        async with runner.run(["sh", "-c", "sleep 60 & echo $$ $!; wait"], timeout_s=20) as process:
            async for line in process:
                pids.extend(line.split())

    async with asyncio.TaskGroup() as group:
        task = group.create_task(run())
        await until(lambda: bool(pids))
        task.cancel()

    assert [pid for pid in pids if lives(int(pid))] == []


async def test_run_cancelled_twice_kills_at_once(runner: ProcessRunner) -> None:
    pids: list[str] = []

    async def run() -> None:
        async with runner.run(["sh", "-c", STUBBORN], timeout_s=20) as process:
            async for line in process:
                pids.extend(line.split())

    async with asyncio.TaskGroup() as group:
        task = group.create_task(run())
        await until(lambda: bool(pids))
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()
        async with asyncio.timeout(running.TERM_GRACE_S / 2):
            await asyncio.wait([task])

    async with asyncio.timeout(2):
        await until(lambda: not any(lives(int(pid)) for pid in pids))


ESCAPE = ["sh", "-c", "setsid sh -c 'echo $$; exec sleep 60' & [ -z \"$1\" ] || exec sleep 60; wait", "sh"]


@pytest.mark.parametrize("job_id", ["", "job-1"])
async def test_program_that_left_the_group_is_killed_when_the_time_is_over(runner: ProcessRunner, job_id: str) -> None:
    [pid] = await output(runner, *ESCAPE, "hang", timeout_s=0.3, job_id=job_id)

    assert not lives(int(pid))


async def test_program_that_left_the_group_is_killed_when_the_run_is_left_early(runner: ProcessRunner) -> None:
    async with runner.run([*ESCAPE, "hang"], timeout_s=20, job_id="job-1") as process:
        pid = int(await anext(process))

    assert not lives(pid)


async def test_service_that_a_program_started_stays_when_the_program_ended_in_peace(
    runner: ProcessRunner, services: list[int]
) -> None:
    [pid] = await output(runner, "sh", "-c", "setsid sh -c 'echo $$; exec sleep 60' & sleep 0.1", job_id="job-1")
    services.append(int(pid))

    assert lives(int(pid))


async def test_other_program_of_the_same_job_goes_on(runner: ProcessRunner) -> None:
    async with runner.run([*ESCAPE, "hang"], timeout_s=20, job_id="job-1") as first:
        pid = int(await anext(first))
        async with runner.run([*ESCAPE, "hang"], timeout_s=20, job_id="job-1") as second:
            await anext(second)

        assert lives(pid)


async def test_group_of_which_only_a_zombie_is_left_counts_as_gone() -> None:
    pid = os.posix_spawnp("true", ["true"], os.environ, setsid=True)  # noqa: ASYNC221 it does not wait
    await until(lambda: not lives(pid))

    try:
        os.killpg(pid, 0)  # there it is
        assert not await asyncio.to_thread(group_lives, pid)
    finally:
        os.waitpid(pid, 0)  # noqa: ASYNC222 it has ended


async def test_stranger_that_got_the_number_of_an_ended_program_is_left_alone(runner: ProcessRunner) -> None:
    stranger = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    async with runner.run(["true"], timeout_s=20) as process:
        async for _ in process:
            pass
        process._pid = stranger.pid  # noqa: SLF001 numbers cannot be made to come round in a test

    assert lives(stranger.pid)
    stranger.kill()
    await stranger.wait()


async def test_nothing_is_left_of_a_run(runner: ProcessRunner) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    def children() -> set[str]:
        return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}

    await exit_of(runner, "true")
    before, others = open_files(), children()  # other tests may have left a peer running
    for _ in range(5):
        await exit_of(runner, "true")
        await exit_of(runner, "sleep", "60", timeout_s=0.01)
        with pytest.raises(CommandError):
            await output(runner, "opsbot-no-such-program")

    assert open_files() == before
    assert children() <= others


# What goes in


async def test_program_gets_the_allowed_part_of_the_environment_and_no_secret() -> None:
    own = {"PATH": PATH, "HOME": "/h", "LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "Asia/Shanghai", "USER": "u"}
    runner = ProcessRunner(own | {"WECHATY_TOKEN": "s3cret", "OPSBOT_JOB": "outer", "LD_PRELOAD": "", "PYTHONPATH": "/x"})

    lines = await output(runner, "env", env={"PM2_HOME": "/pm2", "HOME": "/given"}, job_id="job-1")

    given = dict(line.split("=", 1) for line in lines)
    assert len(given.pop("OPSBOT_RUN")) == 16
    assert given == own | {"PM2_HOME": "/pm2", "HOME": "/given", "OPSBOT_JOB": "job-1"}


async def test_tags_cannot_be_overridden(runner: ProcessRunner) -> None:
    lines = await output(runner, "env", env={"OPSBOT_RUN": "mine", "OPSBOT_JOB": "mine"}, job_id="job-1")

    assert [line for line in lines if line.endswith("=mine")] == []


async def test_shell_characters_in_arguments_are_letters_like_others(runner: ProcessRunner) -> None:
    odd = ["$(id)", "; echo x", "*", "~", "`id`", "a b", "", "-n", "%s", "'\"", "> /tmp/x", "重\n启"]

    lines = await output(runner, "sh", "-c", 'for a in "$@"; do echo "[$a]"; done', "sh", *odd)

    assert "\n".join(lines) == "\n".join(f"[{argument}]" for argument in odd)


async def test_program_that_reads_its_input_finds_none(runner: ProcessRunner) -> None:
    assert await exit_of(runner, "cat") == (0, False)


async def test_program_runs_in_the_given_directory(runner: ProcessRunner, tmp_path: Path) -> None:
    assert await output(runner, "pwd", cwd=str(tmp_path)) == [str(tmp_path)]


# As whom


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: only root can run programs as somebody else")


@pytest.mark.usefixtures("as_root")
async def test_program_runs_as_the_given_user_and_with_nothing_of_ours(runner: ProcessRunner) -> None:
    entry = pwd.getpwnam(NOBODY)

    [ids, groups, where, home, user] = await output(
        runner, "sh", "-c", "echo $(id -u):$(id -g); id -G; pwd; echo $HOME; echo $USER", run_as=NOBODY
    )

    assert ids == f"{entry.pw_uid}:{entry.pw_gid}"
    assert groups == " ".join(map(str, os.getgrouplist(NOBODY, entry.pw_gid)))
    assert where in {entry.pw_dir, "/"}
    assert (home, user) == (entry.pw_dir, NOBODY)


@pytest.mark.usefixtures("as_root")
async def test_program_of_another_user_has_none_of_our_groups(runner: ProcessRunner) -> None:
    ours = os.getgroups()
    os.setgroups([*ours, 4321])
    try:
        [groups] = await output(runner, "id", "-G", run_as=NOBODY)
    finally:
        os.setgroups(ours)

    assert "4321" not in groups.split()


@pytest.mark.usefixtures("as_root")
async def test_program_of_another_user_may_write_to_dev_stderr(runner: ProcessRunner) -> None:
    assert await output(runner, "sh", "-c", "echo x >/dev/stderr", run_as=NOBODY) == ["x"]


@pytest.mark.usefixtures("as_root")
async def test_program_of_another_user_is_ended_too(runner: ProcessRunner) -> None:
    async with runner.run([*ESCAPE, "hang"], timeout_s=20, run_as=NOBODY) as process:
        pid = int(await anext(process))

    assert not lives(pid)


async def test_run_as_ourselves_changes_nothing() -> None:
    runner = ProcessRunner({"PATH": PATH, "HOME": "/ours"})

    lines = await output(runner, "sh", "-c", "echo $HOME; pwd", run_as=pwd.getpwuid(os.geteuid()).pw_name)

    assert lines == ["/ours", str(Path.cwd())]


async def test_user_that_does_not_exist_is_refused(runner: ProcessRunner) -> None:
    with pytest.raises(CommandError, match=r"as opsbot-nobody-here: there is no such user. Create that user"):
        await output(runner, "true", run_as="opsbot-nobody-here")


async def test_other_user_is_refused_when_we_are_not_root(runner: ProcessRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4321)

    with pytest.raises(CommandError, match=r"cannot be run as root: opsbot is not root. Start opsbot as root"):
        await output(runner, "true", run_as="root")


# What cannot be run


async def test_file_that_may_not_be_run_is_refused(runner: ProcessRunner, tmp_path: Path) -> None:
    file = a_file(tmp_path, "echo hi\n", 0o644)

    with pytest.raises(CommandError, match=r"no permission. Make it executable"):
        await output(runner, file)


async def test_file_that_is_no_program_is_refused(runner: ProcessRunner, tmp_path: Path) -> None:
    file = a_file(tmp_path, "echo hi\n", 0o755)

    with pytest.raises(CommandError, match=r"it is no program. Give it a first line"):
        await output(runner, file)


async def test_script_whose_interpreter_is_missing_is_refused(runner: ProcessRunner, tmp_path: Path) -> None:
    script = a_file(tmp_path, "#!/nowhere/python\n", 0o755)

    with pytest.raises(CommandError, match=r"or the interpreter it names, is not here"):
        await output(runner, script)


async def test_directory_that_is_not_there_is_refused(runner: ProcessRunner, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"^true cannot be run: its working directory cannot be used"):
        await output(runner, "true", cwd=str(tmp_path / "nowhere"))


@pytest.mark.parametrize("argument", ["nul\0s3cret", "\ud800s3cret"])
async def test_argument_that_no_program_takes_is_refused_and_not_shown(runner: ProcessRunner, argument: str) -> None:
    with pytest.raises(CommandError, match=r"^true cannot be run: an argument holds a character") as caught:
        await output(runner, "true", argument)

    assert "s3cret" not in str(caught.value)


async def test_arguments_that_are_too_long_are_refused(runner: ProcessRunner) -> None:
    with pytest.raises(CommandError, match=r"its arguments are too long"):
        await output(runner, "true", "x" * 4_000_000)


async def test_refusal_speaks_the_configured_language() -> None:
    with pytest.raises(CommandError, match=r"请安装，或更正路径"):
        await output(ProcessRunner({"PATH": PATH}, language="zh"), "opsbot-no-such-program")


def placeholders(template: str) -> Sequence[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(template) if name)


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_refusal_says_the_same_in_both_languages(key: str) -> None:
    languages: tuple[Language, Language] = ("en", "zh")

    english, chinese = (placeholders(TEXTS[key][language]) for language in languages)

    assert english == chinese
