"""`load` says everything that is wrong, each as one exact line."""

import os
from pathlib import Path

import pytest

from opsbot.config.load import load
from opsbot.core.errors import ConfigError
from tests.unit.config.sample import write

PAGE = "name: a\nchannels:\n  page: {kind: local}\n"
WECHAT = "name: a\nchannels:\n  wechat: {kind: wechaty, endpoint: 127.0.0.1:1, token: t}\n"
BOTH = (
    "name: a\n"
    "channels:\n"
    "  page: {kind: local}\n"
    "  phone: {kind: apprise, url: ntfy://t}\n"
    "people:\n"
    "  bob: {ids: {page: bob}}\n"
    "rooms: {OPS: {page: OPS}}\n"
)
TOP_KEYS = (
    "name, state_dir, language, pair_key, pair_key_file, log, channels, people, rooms, roles, sources, operation_dirs, "
    "operations, notifications"
)
WECHATY_KEYS = "kind, endpoint, token, token_file, tls, tls_ca_file, dangerously_plaintext_gateway, account, max_risk"
NAME = "1 to 64 letters (Chinese too), digits, and . _ -"
ORIGIN = "path: the path of a log or a glob, or command: [PROGRAM, ARGUMENT…]"
RECIPIENT = "PERSON@CHANNEL or room:ROOM@CHANNEL"
PLAINTEXT = "true, or dangerously_plaintext_gateway: true"
ADDRESS = "HOST:PORT, such as 127.0.0.1:8010 or [::1]:8010"
ENDLESS = "yaml: is nested too deeply or repeats itself without end; lists and mappings as in config.example.yaml"

BAD = {
    # what YAML itself refuses
    "": [
        "1: channels: is missing; NAME: {kind: …}, at least one",
        "1: name: is missing; what this bot is called",
    ],
    "- a\n": ["1: yaml: is no mapping; KEY: value on each line, as in config.example.yaml"],
    "a: [1\nb: 2\n": ["2: yaml: while parsing a flow sequence: expected ',' or ']', but got ':'"],
    "name: a\nlog: *nothing\n": ["2: yaml: found undefined alias …"],
    'name: "\\U99999999"\n': ["1: yaml: holds an escape or a directive that YAML does not have"],
    "name: a\n\nb: \x01\n": ["3: yaml: holds a control character"],
    "a: &a [*a]\n": [f"1: {ENDLESS}"],
    "[" * 500: [f"1: {ENDLESS}"],
    "a: " + "[" * 40 + "]" * 40: [f"1: {ENDLESS}"],
    "a: 1\n---\nb: 1\n": ["2: yaml: expected a single document in the stream: but found another document"],
    PAGE + "name: b\n": ["4: name: stands here twice, first on line 1; each key once"],
    PAGE + "? [x]\n: 1\n": ["4: yaml: a key is no text; KEY: value"],
    PAGE + '"a\\nb": 1\n': ["4: yaml: a key holds a control character; printable text"],
    PAGE + "log: !!python/name:os.system x\n": [
        "4: log: has a YAML tag that means nothing here; no !tag; quote a text that begins with !"
    ],
    PAGE + "log: {<<: 3}\n": [
        "4: log.<<: merges what is no plain mapping; <<: *NAME of a mapping that merges nothing itself",
    ],
    PAGE + "pair_key: 2026-02-31\n": ["4: pair_key: is no valid date or number; quote it if it is meant as text"],
    PAGE + 'pair_key: "\\ud800"\n': ["4: pair_key: holds half a character (a lone surrogate); whole characters"],
    # keys and types
    PAGE + "langage: zh\n": [f"4: langage: unknown key, did you mean language?; {TOP_KEYS}"],
    PAGE + "log: {fromat: json}\n": ["4: log.fromat: unknown key, did you mean format?; file, format"],
    "name: a\nchannels:\n  wechat:\n    kind: wechaty\n    endpoint: 127.0.0.1:1\n    tokne: t\n": [
        "3: channels.wechat.token: is missing; token: ${VARIABLE}, or token_file: PATH",
        f"6: channels.wechat.tokne: unknown key, did you mean token?; {WECHATY_KEYS}",
    ],
    "name: 7\nchannels: {page: {kind: local}}\n": ["1: name: must be text, not a number; put it in quotes"],
    "name: no\nchannels: {page: {kind: local}}\n": ["1: name: must be text, not true or false; put it in quotes"],
    "name: 2026-01-01\nchannels: {page: {kind: local}}\n": ["1: name: must be text, not a date; put it in quotes"],
    "name:\nchannels: {page: {kind: local}}\n": ["1: name: must be text, not empty"],
    "name: a b\nchannels: {page: {kind: local}}\n": [f"1: name: is no name; {NAME}"],
    "name: a\nchannels: {pa ge: {kind: local}}\n": [f"2: channels.pa ge: is no name; {NAME}"],
    "name: a\nchannels: {}\n": ["2: channels: has too few entries; 1 or more"],
    "name: a\nchannels: [x]\n": ["2: channels: must be a mapping, not a list; KEY: value lines below it"],
    PAGE + "language: de\n": ["4: language: has a value that is not allowed; zh or en"],
    PAGE + "log: {format: text}\n": ["4: log.format: has a value that is not allowed; starter or json"],
    PAGE + "log: {file: 3}\n": ["4: log.file: must be a path; text, in quotes if it looks like a number"],
    PAGE + "log: text\n": ["4: log: must be a mapping, not text; KEY: value lines below it"],
    PAGE + 'state_dir: ""\n': ["4: state_dir: is no path; a path, relative to this file or absolute"],
    PAGE + "state_dir: ~nobody-of-this-name/x\n": ["4: state_dir: names a home directory that is not known; an absolute path"],
    PAGE + "operation_dirs: here\n": ["4: operation_dirs: must be a list, not text; [ONE, TWO]"],
    PAGE + "notifications: {group_wait_s: -1}\n": ["4: notifications.group_wait_s: is too small; 0 or more"],
    PAGE + "notifications: {group_wait_s: .nan}\n": ["4: notifications.group_wait_s: must be a finite number, not a number"],
    PAGE + "notifications: {repeat_minutes: [5, 0]}\n": ["4: notifications.repeat_minutes[1]: is too small; 1 or more"],
    PAGE + "notifications: {per_chat_per_minute: 1.5}\n": [
        "4: notifications.per_chat_per_minute: must be a whole number, not a number",
    ],
    PAGE + "notifications: {per_chat_per_minute: yes}\n": [
        "4: notifications.per_chat_per_minute: must be a whole number, not true or false",
    ],
    PAGE + "pair_key: ' '\n": ["4: pair_key: is empty or holds a control character; printable text on one line"],
    # channels
    "name: a\nchannels: {page: {}}\n": ["2: channels.page.kind: is missing; wechaty, local, apprise, simulated"],
    "name: a\nchannels: {page: {kind: local, local: 1}}\n": [
        "2: channels.page.local: unknown key; kind, listen, dangerously_listen_anywhere, metrics_open, max_risk",
    ],
    "name: a\nchannels: {page: {kind: irc}}\n": [
        "2: channels.page.kind: is no kind of channel; wechaty, local, apprise, simulated"
    ],
    "name: a\nchannels: {page: {kind: local, listen: here}}\n": [f"2: channels.page.listen: is no address; {ADDRESS}"],
    "name: a\nchannels: {page: {kind: local, listen: 127.0.0.1:70000}}\n": [f"2: channels.page.listen: is no address; {ADDRESS}"],
    "name: a\nchannels: {page: {kind: local, listen: 0.0.0.0:1}}\n": [
        "2: channels.page.listen: listens beyond this machine; a loopback address, or dangerously_listen_anywhere: true",
    ],
    "name: a\nchannels: {page: {kind: local, listen: host.example:1}}\n": [
        "2: channels.page.listen: listens beyond this machine; a loopback address, or dangerously_listen_anywhere: true",
    ],
    "name: a\nchannels:\n  p: {kind: local}\n  q: {kind: local, listen: 127.0.0.1:9}\n": [
        "4: channels.q.kind: channels.p is local already; one local channel per bot",
    ],
    "name: a\nchannels: {p: {kind: local}}\npeople: {b: {ids: {p: 'room:OPS'}}}\n": [
        "3: people.b.ids.p: cannot be an id of the local channel; an id that begins neither with room: nor with #",
    ],
    "name: a\nchannels: {w: {kind: wechaty, endpoint: 10.0.0.1:1, token: t, tls: false}}\n": [
        f"2: channels.w.tls: sends the token and every message in plain text over the network; {PLAINTEXT}",
    ],
    "name: a\nchannels: {w: {kind: wechaty, endpoint: 127.0.0.1:1, token: t, tls: false, tls_ca_file: f}}\n": [
        "2: channels.w.tls_ca_file: has no effect with tls: false; tls: true, or no tls_ca_file",
    ],
    "name: a\nchannels: {w: {kind: wechaty, endpoint: 127.0.0.1:0, token: t}}\n": [
        "2: channels.w.endpoint: has port 0; the port of a server that runs",
    ],
    "name: a\nchannels: {w: {kind: wechaty, endpoint: 127.0.0.1:1, token: t, max_risk: none}}\n": [
        "2: channels.w.max_risk: has a value that is not allowed; read, write or danger",
    ],
    "name: a\nchannels: {w: {kind: wechaty, endpoint: 127.0.0.1:1, token: t, tls: 'no'}}\n": [
        "2: channels.w.tls: must be true or false, not text",
    ],
    "name: a\nchannels: {p: {kind: apprise, url: nothing}}\n": [
        "2: channels.p.url: is no Apprise URL; SCHEME://…, such as ntfy://TOPIC"
    ],
    "name: a\nchannels: {p: {kind: apprise}}\n": ["2: channels.p.url: is missing; url: ${VARIABLE}, or url_file: PATH"],
    "name: a\nchannels: {s: {kind: simulated, hub: 10.0.0.1:1}}\n": [
        "2: channels.s.account: is missing; the id of the account that logs in there",
        "2: channels.s.hub: is not on this machine; a loopback address, such as 127.0.0.1:9000",
    ],
    # people, rooms, roles
    PAGE + "people: {bob: {}}\n": ["4: people.bob.ids: is missing; CHANNEL: ID, at least one"],
    PAGE + "people: {bob: {ids: {page: ''}}}\n": ["4: people.bob.ids.page: is empty; some text"],
    PAGE + 'people: {bob: {ids: {page: "a\\nb"}}}\n': [
        "4: people.bob.ids.page: holds a control character; printable text on one line",
    ],
    PAGE + "people: {bob: {ids: {page: 007}}}\n": ["4: people.bob.ids.page: must be text, not a number; put it in quotes"],
    PAGE + "people: {bob: {ids: {pge: b}}}\n": ["4: people.bob.ids.pge: there is no channel pge, did you mean page?; page"],
    PAGE + "people:\n  bob: {ids: {page: x}}\n  eve: {ids: {page: x}}\n": [
        "6: people.eve.ids.page: is also the id of bob; an id of its own",
    ],
    PAGE + "people: {bob: {roles: [ower], ids: {page: b}}}\n": [
        "4: people.bob.roles[0]: there is no role ower, did you mean owner?; owner, bot, everyone",
    ],
    PAGE + "rooms: {OPS: {wechat: r}}\n": ["4: rooms.OPS.wechat: there is no channel wechat; page"],
    PAGE + "rooms:\n  OPS: {page: x}\n  DEV: {page: x}\n": ["6: rooms.DEV.page: is also the id of OPS; an id of its own"],
    BOTH + "roles: {owner: {}}\n": ["8: roles.owner: is built in and has every grant; another name"],
    BOTH + "roles: {r: {grants: [{scene: x}]}}\n": ["8: roles.r.grants[0].scene: there is no operation x; add it to operations:"],
    BOTH + "roles: {r: {grants: [{command: x}]}}\n": [
        "8: roles.r.grants[0].scene: is missing; the name of an operation below operations:"
    ],
    BOTH + "operations: {x: {use: x}}\nroles: {r: {grants: [{scene: x, rooms: [OPS]}]}}\n": [
        "9: roles.r.grants[0].rooms: unknown key; scene, command, from, until",
    ],
    BOTH + "operations: {x: {use: x}}\nroles: {r: {grants: [{scene: x, from: soon}]}}\n": [
        "9: roles.r.grants[0].from: is no date; YEAR-MONTH-DAY, such as 2026-12-31",
    ],
    BOTH + "operations: {x: {use: x}}\nroles: {r: {grants: [{scene: x, until: 2026-01-01 10:00:00}]}}\n": [
        "9: roles.r.grants[0].until: is no date; YEAR-MONTH-DAY, such as 2026-12-31",
    ],
    BOTH + "operations: {x: {use: x}}\nroles: {r: {grants: [{scene: x, from: 2026-02-01, until: 2026-01-31}]}}\n": [
        "9: roles.r.grants[0]: ends before it begins; from: a day that is not after until",
    ],
    # what an outgoing-only channel cannot do
    BOTH + "operations: {x: {use: x, tell: [bob@phone, room:OPS@phone]}}\n": [
        "8: operations.x.tell[1]: leads to a room on an outgoing-only channel; PERSON@CHANNEL",
    ],
    "name: a\nchannels: {phone: {kind: apprise, url: ntfy://t}}\npeople: {bob: {ids: {phone: b}}}\n": [
        "3: people.bob.ids.phone: is on an outgoing-only channel, where nobody has an id; ids on channels that listen",
    ],
    # sources
    PAGE + "sources: {b: {}}\n": [f"4: sources.b: has neither path nor command; {ORIGIN}"],
    PAGE + "sources: {b: {read_from: end}}\n": [f"4: sources.b: has neither path nor command; {ORIGIN}"],
    PAGE + "sources:\n  b:\n    path: x\n    command: [y]\n": [f"5: sources.b: has both path and command; {ORIGIN}"],
    PAGE + "sources: {b: {command: [ssh], read_from: end}}\n": [
        "4: sources.b: has read_from, which counts for files only; --from-start in the command, if it is opsbot's tail"
    ],
    PAGE + "sources: {b: {command: [ssh], encoding: utf-16}}\n": [
        "4: sources.b: has encoding: utf-16, which is read from files only; utf-8 or gb18030; iconv in the command"
    ],
    PAGE + "sources: {b: {command: [ssh, x, opsbot tail --json a], multiline: none}}\n": [
        "4: sources.b: has multiline, but the tail --json in the command makes the records; --multiline in the command"
    ],
    PAGE + "sources: {b: {command: [opsbot, tail, --json, a], encoding: utf-16, multiline: {start: x}}}\n": [
        (
            "4: sources.b: has multiline and encoding, but the tail --json in the command makes the records; "
            "--multiline and --encoding in the command"
        )
    ],
    PAGE + "sources: {b: {command: ssh}}\n": ["4: sources.b.command: must be a list, not text; [ONE, TWO]"],
    PAGE + "sources: {b: {command: []}}\n": ["4: sources.b.command: names no program; [PROGRAM, ARGUMENT…]"],
    PAGE + "sources: {b: {command: [' ', x]}}\n": ["4: sources.b.command: names no program; [PROGRAM, ARGUMENT…]"],
    PAGE + "sources: {b: {command: [tail, -n, 10]}}\n": ["4: sources.b.command[2]: must be text, not a number; put it in quotes"],
    PAGE + 'sources: {b: {command: [x, "a\\0b"]}}\n': ["4: sources.b.command[1]: holds a zero byte; text"],
    PAGE + "sources: {b: {path: x, read_from: top}}\n": [
        "4: sources.b.read_from: has a value that is not allowed; end or beginning"
    ],
    PAGE + "sources: {b: {path: x, multiline: ruby}}\n": [
        "4: sources.b.multiline: has a value that is not allowed; none, python, java, or {start: REGEX}"
    ],
    PAGE + "sources: {b: {path: x, multiline: [java]}}\n": [
        "4: sources.b.multiline: has a value that is not allowed; none, python, java, or {start: REGEX}"
    ],
    PAGE + "sources:\n  b:\n    path: x\n    multiline:\n      start: '['\n": [
        "8: sources.b.multiline.start: is no regular expression: unterminated character set at position 0; one of Python's"
    ],
    PAGE + "sources: {b: {path: x, multiline: {timeout_s: 0}}}\n": [
        "4: sources.b.multiline.start: is missing; a regular expression that is found in the first line of each record",
        "4: sources.b.multiline.timeout_s: is too small; more than 0",
    ],
    PAGE + "sources: {b: {path: x, multiline: {start: x, max_line: 3}}}\n": [
        "4: sources.b.multiline.max_line: unknown key, did you mean max_lines?; start, timeout_s, max_lines"
    ],
    PAGE + "sources: {b: {path: x, encoding: latin-1}}\n": [
        "4: sources.b.encoding: has a value that is not allowed; utf-8, gb18030 or utf-16"
    ],
    # operations
    PAGE + "operations: {x: {}}\n": ["4: operations.x.use: is missing; the name of an operation's file, without .py"],
    PAGE + "operations: {x: {use: ../x}}\n": [
        "4: operations.x.use: is no operation's name; the name of its file without .py: a to z, 0 to 9 and _",
    ],
    PAGE + "operations: {x: {use: x, confirm: 1}}\n": ["4: operations.x.confirm: must be true or false, not a number"],
    PAGE + "operations: {x: {use: x, source: y}}\n": ["4: operations.x.source: there is no source y; add it to sources:"],
    PAGE + "operations: {x: {use: x}, X: {use: x}}\n": [
        "4: operations.X: is the same as x to somebody who types it; a name of its own",
    ],
    PAGE + "operations: {x: {use: x, tell: bob@page}}\n": ["4: operations.x.tell: must be a list, not text; [ONE, TWO]"],
    BOTH + "operations: {x: {use: x, tell: [bob]}}\n": [f"8: operations.x.tell[0]: is no recipient; {RECIPIENT}"],
    BOTH + "operations: {x: {use: x, tell: [3]}}\n": [f"8: operations.x.tell[0]: is no recipient; {RECIPIENT}"],
    BOTH + "operations:\n  x:\n    use: x\n    fallback:\n      - bob@page\n      - bbo@page\n": [
        "13: operations.x.fallback[1]: there is no person bbo, did you mean bob?; bob",
    ],
    BOTH + "operations: {x: {use: x, tell: [bob@pge]}}\n": [
        "8: operations.x.tell[0]: there is no channel pge, did you mean page?; page, phone",
    ],
    BOTH + "operations: {x: {use: x, tell: [room:OSP@page]}}\n": [
        "8: operations.x.tell[0]: there is no room OSP, did you mean OPS?; OPS",
    ],
    WECHAT + "  page: {kind: local}\npeople: {bob: {ids: {page: b}}}\noperations: {x: {use: x, tell: [bob@wechat]}}\n": [
        "6: operations.x.tell[0]: bob has no id on wechat; an id on it, or a channel with one: page",
    ],
    WECHAT + "  page: {kind: local}\nrooms: {OPS: {page: b}}\noperations: {x: {use: x, tell: [room:OPS@wechat]}}\n": [
        "6: operations.x.tell[0]: OPS has no id on wechat; an id on it, or a channel with one: page",
    ],
    # secrets
    PAGE + "pair_key: ${NOT_SET}\n": ["4: pair_key: the environment variable NOT_SET is not set or is empty; set NOT_SET"],
    PAGE + "pair_key: ${EMPTY}\n": ["4: pair_key: the environment variable EMPTY is not set or is empty; set EMPTY"],
    PAGE + "log: {file: '${1}'}\n": [
        "4: log.file: ${ is not followed by the name of an environment variable and }; ${NAME}, or $$ for a $",
    ],
    "name: a\nchannels: {page: {kind: '${NOT_SET}'}}\n": [
        "2: channels.page.kind: the environment variable NOT_SET is not set or is empty; set NOT_SET",
    ],
    PAGE + "pair_key: a\npair_key_file: f\n": ["5: pair_key_file: stands beside pair_key; pair_key or pair_key_file, not both"],
    PAGE + "pair_key_file: absent\n": [
        "4: pair_key_file: cannot be read (No such file or directory); a file that opsbot may read"
    ],
    PAGE + "pair_key_file: .\n": ["4: pair_key_file: is no file; a file"],
    PAGE + "pair_key_file: 3\n": ["4: pair_key_file: must be a path; text, in quotes if it looks like a number"],
}


def problems_of(folder: Path, text: str) -> list[str]:
    """Give the lines without the file's name, which each of them must begin with."""
    file = write(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(file, {"EMPTY": ""})
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


@pytest.mark.parametrize("text", BAD)
def test_each_problem_is_one_exact_line(tmp_path: Path, text: str) -> None:
    assert problems_of(tmp_path, text) == BAD[text]


def test_all_problems_of_a_file_are_listed_at_once_in_its_order(tmp_path: Path) -> None:
    text = (
        "name: a b\n"
        "channels:\n"
        "  page: {kind: local, listen: 0.0.0.0:1, extra: 1}\n"
        "  wechat: {kind: wechaty, endpoint: 10.0.0.1:1, token: '${NOT_SET}', tls: false}\n"
        "people:\n"
        "  bob: {roles: [nobody], ids: {page: 1}}\n"
        "operations:\n"
        "  x: {use: X, source: y, tell: [bob@wechat]}\n"
    )

    found = [line.split(": ")[:2] for line in problems_of(tmp_path, text)]

    assert found == [
        ["1", "name"],
        ["3", "channels.page.extra"],
        ["3", "channels.page.listen"],
        ["4", "channels.wechat.tls"],
        ["4", "channels.wechat.token"],
        ["6", "people.bob.ids.page"],
        ["6", "people.bob.roles[0]"],
        ["8", "operations.x.source"],
        ["8", "operations.x.tell[0]"],
        ["8", "operations.x.use"],
    ]


def test_a_missing_file_names_the_demo(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"

    with pytest.raises(ConfigError) as caught:
        load(file)

    mend = "-c FILE, a copy of config.example.yaml, or `opsbot demo` to look around"
    assert str(caught.value) == f"{file}: file: there is no such file; {mend}"


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"^{tmp_path}: file: is no file; a file$"):
        load(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigError, match="is no file"):
        load(tmp_path / "pipe")


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    file = write(tmp_path, b"name: a\nx: \xff\n")

    with pytest.raises(ConfigError, match=f"^{file}:2: file: is not UTF-8; UTF-8 text$"):
        load(file)


def test_a_file_that_is_far_too_large_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, b"#" * 2_000_000)

    with pytest.raises(ConfigError, match="is too large"):
        load(file)


def test_a_configuration_that_anybody_can_change_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, PAGE, mode=0o602)

    with pytest.raises(ConfigError) as caught:
        load(file)

    assert str(caught.value) == f"{file}: file: can be changed by anybody on this machine; chmod o-w {file}"


def test_an_alias_of_an_alias_of_an_alias_ends(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))

    assert problems_of(tmp_path, bomb) == [f"1: {ENDLESS}"]
