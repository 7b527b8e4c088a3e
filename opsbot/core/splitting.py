"""Cut a text into messages that a channel accepts."""


def split_text(text: str, limit_chars: int) -> list[str]:
    r"""Cut at line ends where possible, inside a line where a line alone is too long; nothing is lost but the line end at a cut.

    >>> split_text("one\ntwo\nthree", 8)
    ['one\ntwo', 'three']
    >>> split_text("abcdef", 4)
    ['abcd', 'ef']
    """
    pieces: list[str] = []
    rest = text
    while len(rest) > limit_chars:
        cut = rest.rfind("\n", 0, limit_chars + 1)
        if cut <= 0:
            pieces.append(rest[:limit_chars])
            rest = rest[limit_chars:]
        else:
            pieces.append(rest[:cut])
            rest = rest[cut + 1 :]
    return [*pieces, rest]
