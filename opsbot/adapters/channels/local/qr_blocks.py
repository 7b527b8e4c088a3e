"""Draws a picture of a QR code in a terminal."""

import io

from PIL import Image, UnidentifiedImageError

_FINDER_MODULES = 7
_SIDE_LIMIT_PX = 3000
_MODULES_LIMIT = 85
"""What fits a terminal of 90 columns; login codes have 25 to 45."""


def qr_in_blocks(png: bytes) -> str | None:
    """Give a QR code as lines of half blocks, None if the picture is none or is too large for a terminal.

    A terminal with light text on a dark ground shows it the right way round: the light modules are what is printed.
    """
    try:
        with Image.open(io.BytesIO(png)) as picture:
            if max(picture.size) > _SIDE_LIMIT_PX:
                return None
            grey = picture.convert("L")
    except (UnidentifiedImageError, OSError, ValueError):
        return None
    modules = _modules(grey)
    return _blocks(modules) if modules else None


def _modules(grey: Image.Image) -> list[list[bool]] | None:
    """Sample the middle of each module; true is dark."""
    dark = grey.point(lambda value: 255 if value < 128 else 0)  # noqa: PLR2004 - half of the grey scale
    box = dark.getbbox()
    if box is None:
        return None
    left, top, right, bottom = box
    finder_px = next((x for x in range(left, right) if not dark.getpixel((x, top))), right) - left
    size_px = right - left
    count = round(size_px * _FINDER_MODULES / finder_px)
    if size_px != bottom - top or not 4 * 4 <= count <= _MODULES_LIMIT or count % 4 != 1:
        return None
    step = size_px / count
    middles = [int((n + 0.5) * step) for n in range(count)]
    return [[bool(dark.getpixel((left + x, top + y))) for x in middles] for y in middles]


def _blocks(modules: list[list[bool]]) -> str:
    width = len(modules) + 4
    light = [False] * width
    rows = [light, light, *([False, False, *row, False, False] for row in modules), light, light]
    if len(rows) % 2:
        rows.append(light)
    signs = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return "\n".join("".join(signs[upper, lower] for upper, lower in zip(*pair, strict=True)) for pair in pairs)
