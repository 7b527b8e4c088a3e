"""Make what people type on phones comparable: full-width letters, Chinese punctuation, stray spaces."""

import unicodedata

TRAILING_PUNCTUATION = ".。!！?？,，;；:：、~～…"
OPENING_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」", "《": "》", "＂": "＂", "＇": "＇", "”": "”", "’": "’"}
DASHES = "-－–—−﹣"
MENTION_SPACE = "\u2005"
QUOTATION_RULE = "- - - - - - - - - - - - - - -"
"""WeChat puts the quoted message, then this line, then the reply (seen in puppets' text of a quote, 2026-11)."""


def fold_name(word: str) -> str:
    """Fold a scene's, command's or alias's name for comparison.

    >>> fold_name("Ｒestart。"), fold_name("ｑｒ"), fold_name("重启！")
    ('restart', 'qr', '重启')
    """
    return unicodedata.normalize("NFKC", word).casefold().rstrip(TRAILING_PUNCTUATION)


def own_words(text: str) -> str:
    r"""Give what the sender wrote: without a quotation in front and the space that follows a mention.

    >>> own_words("「Bob: restart」\n- - - - - - - - - - - - - - -\nqr")
    'qr'
    """
    before, rule, after = text.rpartition(QUOTATION_RULE)
    own = after if rule and before.lstrip().startswith("「") else text
    return own.strip().strip(MENTION_SPACE).strip()


def split_words(text: str) -> list[str]:
    r"""Split a command line into words; quotes group, dashes in front of an option fold to "-".

    Quotation marks count only at the start of a word; one that is never closed is a plain character. Inside a word
    nothing changes.

    >>> split_words('tail “my file.log” －－lines 5'), split_words("it's fine")
    (['tail', 'my file.log', '--lines', '5'], ["it's", 'fine'])
    """
    words: list[str] = []
    rest = text.strip()
    while rest:
        closing = OPENING_QUOTES.get(rest[0])
        end = rest.find(closing, 1) if closing else -1
        if end > 0 and (end + 1 == len(rest) or rest[end + 1].isspace()):
            words.append(rest[1:end])
            rest = rest[end + 1 :].strip()
            continue
        word, _, rest = _partition_space(rest)
        words.append(_fold_dashes(word))
        rest = rest.strip()
    return words


def _partition_space(text: str) -> tuple[str, str, str]:
    for index, character in enumerate(text):
        if character.isspace():
            return text[:index], character, text[index + 1 :]
    return text, "", ""


def _fold_dashes(word: str) -> str:
    stem = word.lstrip(DASHES)
    dashes = len(word) - len(stem)
    if not dashes or word[:dashes] == "-" * dashes:
        return word
    return _hyphens(word[:dashes]) + stem


def _hyphens(dashes: str) -> str:
    # Phones make one long dash of two hyphens.
    return "-" * min(2, sum(2 if dash in "—–" else 1 for dash in dashes))
