"""Numbers of bytes as people read them."""

_STEP = 1000
_UNITS = ("bytes", "KB", "MB", "GB", "TB")
_ONE_DIGIT = 9.95


def in_words(size_bytes: int) -> str:
    """Give a size in the unit that leaves one to three digits before the point.

    >>> in_words(70), in_words(12_300), in_words(3_400_000), in_words(999_999)
    ('70 bytes', '12 KB', '3.4 MB', '1.0 MB')
    """
    size, unit = float(size_bytes), 0
    while size >= _STEP - 0.5 and unit < len(_UNITS) - 1:
        size, unit = size / _STEP, unit + 1
    has_fraction = unit > 0 and size < _ONE_DIGIT
    return f"{size:.1f} {_UNITS[unit]}" if has_fraction else f"{size:.0f} {_UNITS[unit]}"
