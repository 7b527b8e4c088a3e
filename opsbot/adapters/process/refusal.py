"""What people read when a program cannot be started; the program's arguments are never shown."""

import errno

from opsbot.core.catalogue import Language
from opsbot.core.errors import CommandError

TEXTS: dict[str, dict[Language, str]] = {
    "missing": {
        "en": "{program} cannot be run: it, or the interpreter it names, is not here. Install it, or correct its path.",
        "zh": "无法运行 {program}：本机没有它或它的解释器。请安装，或更正路径。",
    },
    "forbidden": {
        "en": "{program} cannot be run: no permission. Make it executable for the user it runs as.",
        "zh": "无法运行 {program}：没有执行权限。请给运行它的用户加上执行权限。",
    },
    "no_program": {
        "en": "{program} cannot be run: it is no program. Give it a first line such as #!/bin/sh.",
        "zh": "无法运行 {program}：它不是程序。请加上 #!/bin/sh 这样的首行。",
    },
    "directory": {
        "en": "{program} cannot be run: its working directory cannot be used ({reason}). Make the directory, or correct it.",
        "zh": "无法运行 {program}：工作目录不可用（{reason}）。请创建目录，或更正路径。",
    },
    "too_long": {
        "en": "{program} cannot be run: its arguments are too long. Send less.",
        "zh": "无法运行 {program}：参数太长。请缩短。",
    },
    "bad_character": {
        "en": "{program} cannot be run: an argument holds a character that no program takes. Leave it out.",
        "zh": "无法运行 {program}：参数中有无法使用的字符。请去掉它。",
    },
    "failed": {
        "en": "{program} could not be started ({reason}). Try again later, or look at the machine.",
        "zh": "{program} 启动失败（{reason}）。请稍后再试，或检查机器。",
    },
    "no_user": {
        "en": "{program} cannot be run as {user}: there is no such user. Create that user, or correct run_as.",
        "zh": "无法以 {user} 运行 {program}：没有这个用户。请创建用户，或更正 run_as。",
    },
    "not_root": {
        "en": "{program} cannot be run as {user}: opsbot is not root. Start opsbot as root or as {user}, or drop run_as.",
        "zh": "无法以 {user} 运行 {program}：opsbot 不是 root。请以 root 或 {user} 启动 opsbot，或去掉 run_as。",
    },
}

_KEYS = {
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.EACCES: "forbidden",
    errno.EPERM: "forbidden",
    errno.EISDIR: "forbidden",
    errno.ENOEXEC: "no_program",
    errno.E2BIG: "too_long",
}


def refusal(key: str, language: Language, **values: object) -> CommandError:
    """Give the error with one text of the table."""
    return CommandError(TEXTS[key][language].format(**values))


def start_refusal(exc: OSError | ValueError, program: str, cwd: str | None, language: Language) -> CommandError:
    """Say why a program did not start."""
    if not isinstance(exc, OSError):
        return refusal("bad_character", language, program=program)
    if cwd is not None and exc.filename == cwd != program:
        return refusal("directory", language, program=program, reason=exc.strerror)
    return refusal(_KEYS.get(exc.errno or 0, "failed"), language, program=program, reason=exc.strerror)
