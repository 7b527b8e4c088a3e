"""What an operation may answer with."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Image:
    """A picture (PNG, JPEG or GIF bytes) with an optional caption."""

    content: bytes
    caption: str = ""
    name: str = "image.png"
    media_type: str = "image/png"


@dataclass(frozen=True, slots=True)
class File:
    """A file that is handed over as it is; `name` is what the receiver sees."""

    name: str
    content: bytes
    caption: str = ""
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class QrCode:
    """A text that is sent as a QR code, drawn on this machine; the text itself is treated as a secret."""

    payload: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Markdown:
    """A text with Markdown in it; a channel that cannot show it gets the text as it is."""

    text: str


Output = str | Image | File | QrCode | Markdown
