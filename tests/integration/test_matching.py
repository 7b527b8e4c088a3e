"""Engines, the process for dangerous searches, and the cache, as they really are."""

import contextlib
import os
import random
import re
import resource
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest

from opsbot.adapters.matching.cpu import lacks
from opsbot.adapters.matching.engine import Expression
from opsbot.adapters.matching.hyperscan import compile_expressions
from opsbot.adapters.matching.ladder import compile_rules
from opsbot.adapters.matching.regex import RegexMatcher
from opsbot.adapters.matching.search import Search, SearchProcess, TooSlowError
from opsbot.core.log import Multiline, Rule, Scan

ENDLESS = "^(aa+)+(?=!|$)"
EVIL = "a" * 60 + "b"


def found(scan: Scan) -> list[tuple[int, int, str, list[int]]]:
    return [(match.start, match.end, match.text, [hit.rule for hit in match.hits]) for match in scan.matches]


def test_each_rule_goes_to_the_fastest_engine_that_takes_it() -> None:
    words = "|".join(f"word{number:05d}" for number in range(3000))
    rules = [Rule("ERROR (\\d+)"), Rule("(?=.*x)(?<!y)z{3}abc"), Rule(words, "words"), Rule(""), Rule(".")]

    figures = compile_rules(rules).figures()

    assert [(each.engine, each.reason) for each in figures] == [
        ("hyperscan", ""),
        ("hyperscan", ""),
        ("re2", "too large for hyperscan"),
        ("re", "it may match an empty text"),
        ("re", "it is found nearly everywhere"),
    ]


def test_expression_that_hyperscan_cannot_tell_exactly_is_widened_by_it() -> None:
    compiled = compile_expressions([Expression(0, rb"abc(?=d)"), Expression(1, b"xyz")])

    assert (sorted(compiled.exact), sorted(compiled.prefiltered)) == ([1], [0])
    assert {number for _, number in compiled.engine.candidates(b"abcd xyz\n")} == {0, 1}


@pytest.mark.parametrize("length", [0, 1, 13, 15, 16, 17, 40, 70, 300, 5000])
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_match_that_ends_with_the_block_is_found(length: int, end: str) -> None:
    block = f"x\n{'a' * length}éaab{end}".encode()
    expected = [["last", "end"]]

    for anchored in ("^b", "ab$"):
        rules = [Rule("ab", "last"), Rule("b\\Z", "end"), Rule(anchored + "c", "no")]
        matches = compile_rules(rules, engines=["hyperscan"]).scan(block).matches
        assert [[rules[hit.rule].name for hit in match.hits] for match in matches] == expected


def test_rule_that_engines_would_take_minutes_to_compile_is_widened() -> None:
    (figures,) = compile_rules([Rule("((a{60}|b{59}c){60}|d{61}e){60}f")]).figures()

    assert figures.engine == "hyperscan"


def test_without_hyperscan_rules_go_to_re2() -> None:
    assert [each.engine for each in compile_rules([Rule("ERROR"), Rule("")], engines=["re2"]).figures()] == ["re2", "re"]


@pytest.mark.parametrize("depth", [13, 170])
def test_rule_that_is_nested_too_deep_for_engines_is_searched_without_them(depth: int) -> None:
    matcher = compile_rules([Rule("(?:" * depth + "ERROR" + ")+" * depth)])

    assert (len(matcher.scan(b"ERROR\n").matches), matcher.figures()[0].reason) == (1, "it is nested too deep")


def test_rules_that_re2_takes_but_not_all_together_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsbot.adapters.matching.re2._MEMORY_BYTES", 1 << 16)
    rules = [Rule("|".join(f"job{rule}word{number:05d}" for number in range(400)), str(rule)) for rule in range(12)]
    matcher = compile_rules(rules, engines=["re2"])

    assert {each.engine for each in matcher.figures()} == {"re2", "re"}
    assert len(matcher.scan("".join(f"job{rule}word00399\n" for rule in range(12)).encode()).matches) == 12


@pytest.mark.parametrize("engine", ["hyperscan", "re2"])
def test_thousand_rules_are_told_apart(engine: str) -> None:
    matcher = compile_rules([Rule(f"job-{number:04d} failed") for number in range(1000)], engines=[engine])
    block = b"".join(b"x job-%04d failed today\n" % number for number in (3, 999, 1000, 500))

    assert [match.hits[0].rule for match in matcher.scan(block).matches] == [3, 999, 500]


def test_part_that_is_found_too_often_is_asked_for_whole() -> None:
    rules = [Rule("never (.*)id-204712"), *(Rule(f"filler-{number:05d}") for number in range(5))]
    matcher = compile_rules(rules, engines=["hyperscan"])
    matcher.scan(b"always id-204712\n" * 2000)
    before = matcher.figures()[0].candidates
    matcher.scan(b"always id-204712\n" * 2000 + b"never id-204712\n")

    after = matcher.figures()[0]
    assert (before, after.candidates, after.matches) == (2000, 2001, 1)


def test_search_that_takes_too_long_is_given_up_and_its_rule_with_it() -> None:
    matcher = compile_rules([Rule(ENDLESS), Rule("b$")])
    scan = matcher.scan(f"aaa\n{EVIL}\naaa\n".encode())

    assert found(scan) == [(0, 3, "aaa", [0]), (4, 65, EVIL, [1])]
    assert [disabled.rule for disabled in scan.disabled] == [0]
    assert "0.25 s" in scan.disabled[0].reason
    assert [each.is_disabled for each in matcher.figures()] == [True, False]
    assert matcher.scan(b"aaa\n").disabled == ()


def test_process_that_searches_comes_back_after_it_was_killed() -> None:
    with SearchProcess(cpu_budget_s=0.05) as process:
        with pytest.raises(TooSlowError):
            process.search(ENDLESS, EVIL)

        assert process.search("(?P<a>x)(?P<b>y)?", "\n错x\ud7ff") == {"a": "x"}
        assert process.search("nothing", "here") is None


def test_process_that_somebody_killed_does_not_make_a_rule_slow() -> None:
    with SearchProcess() as process:
        process.search("x", "x")
        child = process._child  # noqa: SLF001 what the test is about
        assert child is not None
        child.kill()
        child.wait()

        assert process.search("x", "x") == {}


def test_process_that_does_not_work_is_not_taken_for_a_slow_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")

    with SearchProcess() as process, pytest.raises(TooSlowError, match="did not answer"):
        process.search("x", "x")


def test_answer_that_breaks_off_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    halves = tmp_path / "halves"
    halves.write_text("#!/bin/sh\nread -r question\nprintf '{\"a\": '\n")
    halves.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(halves))

    with SearchProcess() as process, pytest.raises(TooSlowError, match="did not answer"):
        process.search("x", "x")


def test_process_is_asked_although_many_files_are_open() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    with contextlib.ExitStack() as files, SearchProcess() as process:
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while files.enter_context(Path(os.devnull).open("rb")).fileno() < 1024:
            pass

        assert process.search("x", "x") == {}


def test_matcher_that_is_let_go_leaves_no_process() -> None:
    process = SearchProcess()
    process.search("x", "x")
    child = process._child  # noqa: SLF001 what the test is about
    assert child is not None
    del process

    with pytest.raises(ChildProcessError):
        os.waitpid(child.pid, os.WNOHANG)


def test_dangerous_rule_captures_as_any_other() -> None:
    search = Search([Rule("(?P<all>(?:a|b|ab)+)!")])

    assert search(0, "-abab!") == {"all": "abab"}
    search.close()


def test_compiled_rules_are_kept_and_found_again(tmp_path: Path) -> None:
    rules = [Rule(f"job-{number:04d} failed") for number in range(100)]
    compile_rules(rules, cache_dir=tmp_path)
    (kept,) = tmp_path.iterdir()
    first_id = kept.stat().st_ino
    again = compile_rules(rules, cache_dir=tmp_path)

    assert (kept.stat().st_ino, len(again.scan(b"job-0042 failed\n").matches)) == (first_id, 1)


@pytest.mark.parametrize("damage", [b"", b"{}\n", b'[[0], [], "00"]\njunk', None])
def test_damaged_cache_is_compiled_anew(tmp_path: Path, damage: bytes | None) -> None:
    rules = [Rule("ERROR"), Rule("WARN")]
    compile_rules(rules, cache_dir=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:-9] if damage is None else damage)
    matcher = compile_rules(rules, cache_dir=tmp_path)

    assert len(matcher.scan(b"ERROR\n").matches) == 1
    assert kept.stat().st_size > 100


def test_cache_that_names_another_rule_is_compiled_anew(tmp_path: Path) -> None:
    rules = [Rule("first alarm"), Rule("")]
    compile_rules(rules, cache_dir=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"[0]", b"[1]", 1))
    matcher = compile_rules(rules, cache_dir=tmp_path)

    assert [each.engine for each in matcher.figures()] == ["hyperscan", "re"]


def test_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert len(compile_rules([Rule("ERROR")], cache_dir=tmp_path / "file").scan(b"ERROR\n").matches) == 1


def test_cache_does_not_grow_without_end(tmp_path: Path) -> None:
    for number in range(70):
        compile_rules([Rule(f"rule {number}")], cache_dir=tmp_path)

    assert len(list(tmp_path.iterdir())) == 64


def test_processor_that_lacks_what_hyperscan_needs_is_told_by_its_flags(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("processor : 0\nflags\t\t: fpu sse4_2 avx\n")
    new.write_text("processor : 0\nflags\t\t: fpu avx avx2\n")
    is_x86 = os.uname().machine == "x86_64"

    assert (lacks(old), lacks(new), lacks(tmp_path / "none")) == ("avx2" if is_x86 else "", "", "")


def test_records_of_several_lines_are_matched_whole() -> None:
    rules = [Rule(r"boom\n.*KeyError"), Rule("^fine$"), Rule("File"), Rule("")]
    block = b'ERROR boom\r\nTraceback (most recent call last):\n  File "a"\nKeyError: 1\nfine\nopen\n'
    matcher = compile_rules(rules, Multiline(kind="python"))
    scan = matcher.scan(block, is_end=False)

    assert [[hit.rule for hit in match.hits] for match in scan.matches] == [[2, 3], [1, 3]]
    assert block[scan.consumed :] == b"open\n"


ATOMS = ["a", "b", "k", "s", "i", "K", "S", "é", "错", "ſ", "\u212a", "İ", "ß", "\ufffd", " ", ".", r"\d", r"\w", r"\s", r"\W"]
ATOMS += [r"\S", r"\D", "[ab]", "[^a]", "[^ k]", r"[\w.]", r"[^\s]", "[a-zé]", "[^é]", r"\.", "-", "\n", "[s-z]", r"\r", "[^ſ]"]
PIECES = [each.encode() for each in "abksiKSéÉ错ſ\u212aİıßẞ\u3000٣\ufffd\t\x1c\0 \n\n1.-"]
PIECES += [b"\r\n", b"\r", b"\xff", b"\xc3", b"\xe6\x97", b"ab", b"ksi"]


def an_expression(rng: random.Random, depth: int) -> str:
    def inner() -> str:
        return an_expression(rng, depth - 1)

    kind = rng.random() if depth else 0.0
    if kind < 0.3:
        return rng.choice(ATOMS)
    if kind < 0.55:
        return "".join(inner() for _ in range(rng.randint(1, 4)))
    if kind < 0.65:
        return f"(?:{'|'.join(inner() for _ in range(rng.randint(2, 3)))})"
    if kind < 0.8:
        return f"(?:{inner()}){rng.choice(['*', '+', '?', '{2}', '{1,3}', '*?', '+?', '++'])}"
    if kind < 0.9:
        return (
            f"{rng.choice(['^', '', chr(92) + 'b', chr(92) + 'A'])}{inner()}{rng.choice(['$', '', chr(92) + 'B', chr(92) + 'Z'])}"
        )
    return rng.choice(["(?={})", "(?!{})", "(?<!a){}", "(?<=a){}", "(?>{})", "({})", "(?i:{})", "(?:{})"]).format(inner())


def random_rules(rng: random.Random) -> Sequence[Rule]:
    rules: list[Rule] = []
    while len(rules) < 6:
        pattern = rng.choice(["", "", "(?i)", "(?s)", "(?m)", "(?a)"]) + an_expression(rng, 3)
        try:
            rules.append(Rule(pattern, str(len(rules))))
        except (re.error, FutureWarning):
            continue
    return rules


@pytest.mark.parametrize("seed", range(40))
def test_engines_agree_with_re_about_random_rules(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 the same rules each time
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(4):
            rules = random_rules(rng)
            engines = [compile_rules(rules, engines=["hyperscan"]), compile_rules(rules, engines=["re2"])]
            for _ in range(8):
                block = b"".join(rng.choice(PIECES) for _ in range(rng.randint(0, 40)))
                expected = found(RegexMatcher(rules).scan(block))
                assert [found(engine.scan(block)) for engine in engines] == [expected, expected], (rules, block)
