"""What a command line says about what will come out of it."""

import pytest

from opsbot.core.invocation import invocation

TABLE = {
    "the words stand alone": (["ssh", "bob", "opsbot", "tail", "--json", "a.log"], "ssh bob opsbot tail --json --resume a.log"),
    "--json is the last": (["opsbot", "tail", "a.log", "--json"], "opsbot tail a.log --json --resume"),
    "other options come between": (["opsbot", "tail", "-e", "x", "--json", "a"], "opsbot tail -e x --json --resume a"),
    "one argument holds them all": (["ssh", "bob", "opsbot tail --json '*.log'"], "ssh bob opsbot tail --json --resume '*.log'"),
    "a shell gets them": (["sh", "-c", "exec opsbot tail --json a"], "sh -c exec opsbot tail --json --resume a"),
    "--json before tail is somebody else's": (["x", "--json", "tail", "--json"], "x --json tail --json --resume"),
    "it resumes already": (["opsbot", "tail", "--json", "--resume", "a"], "opsbot tail --json --resume a"),
}


@pytest.mark.parametrize("case", TABLE)
def test_tail_that_prints_json_is_asked_to_resume_once(case: str) -> None:
    argv, run = TABLE[case]
    found = invocation(argv)

    assert (" ".join(found.argv), found.is_protocol, found.resumes) == (run, True, True)


@pytest.mark.parametrize("state", ["--state s", "--state=s"])
def test_tail_that_keeps_its_own_state_is_left_alone(state: str) -> None:
    argv = ["opsbot", "tail", "--json", *state.split(), "a"]
    found = invocation(argv)

    assert (list(found.argv), found.is_protocol, found.resumes) == (argv, True, False)


@pytest.mark.parametrize(
    "argv",
    [
        ["journalctl", "-f", "-n0", "-u", "nginx"],
        ["opsbot", "tail", "a.log"],
        ["tail", "-F", "a--json"],
        ["x", "--json", "tail"],
        ["x", "--tail", "10", "--json"],
    ],
)
def test_any_other_command_prints_plain_lines(argv: list[str]) -> None:
    found = invocation(argv)

    assert (list(found.argv), found.is_protocol, found.resumes) == (argv, False, False)
