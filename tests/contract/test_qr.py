"""What every QR renderer promises (`opsbot.core.ports.QrRenderer`), as an independent reader sees it."""

from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest

from opsbot.adapters.rendering.qr import QrPng
from opsbot.core.errors import MessageRejectedError
from opsbot.core.ports import QrRenderer

LOGIN = "http://weixin.qq.com/x/AbCdEfGhIjKlMnOpQr"


class DrawnOnce:
    """Draws each code once: drawing takes a tenth of a second, and several tests look at the same one."""

    def __init__(self, renderer: QrRenderer) -> None:
        self.png = cache(renderer.png)


@pytest.fixture(params=[QrPng], scope="module")
def renderer(request: pytest.FixtureRequest) -> QrRenderer:
    return DrawnOnce(request.param())


def pixels(png: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)


def read(picture: Any) -> str:
    """Read with either of OpenCV's two detectors: each misses some good codes, and a phone tries more than once."""
    for detector in (cv2.QRCodeDetectorAruco(), cv2.QRCodeDetector()):
        text, _, _ = detector.detectAndDecode(picture)
        if text:
            return str(text)
    return ""


@pytest.mark.parametrize(
    "payload",
    [
        "1",
        "12345678901234567890",
        "HTTP://EXAMPLE.ORG/A1",
        LOGIN,
        "https://login.weixin.qq.com/l/4aBc-_d==?x=1&y=%20",
        "x1Y" * 133 + "z",
        "重启 bob 扫码登录",
        "日志" * 100,
        "two\nlines",
    ],
    ids=["one", "digits", "capitals", "login", "odd", "400", "chinese", "200-chinese", "lines"],
)
def test_another_reader_reads_what_was_drawn(renderer: QrRenderer, payload: str) -> None:
    assert read(pixels(renderer.png(payload))) == payload


@pytest.mark.parametrize("payload", [LOGIN, "x" * 400])
def test_code_survives_what_chats_do_to_pictures(renderer: QrRenderer, payload: str) -> None:
    picture = pixels(renderer.png(payload))
    small = cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)

    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 40])

    assert read(cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE)) == payload


@pytest.mark.parametrize("payload", ["1", LOGIN, "x" * 400, "日" * 400])
def test_quiet_zone_is_four_modules_on_every_side(renderer: QrRenderer, payload: str) -> None:
    picture = pixels(renderer.png(payload))
    dark_rows, dark_columns = (np.flatnonzero((picture < 128).any(axis=axis)) for axis in (1, 0))
    # The first dark row holds the upper edge of a finder pattern, which is seven modules wide.
    first_row = picture[dark_rows[0], dark_columns[0] :]
    module_px = int(np.argmax(first_row > 128)) / 7

    sides_px = [dark_rows[0], dark_columns[0], len(picture) - 1 - dark_rows[-1], len(picture) - 1 - dark_columns[-1]]

    assert min(sides_px) >= 4 * module_px


@pytest.mark.parametrize("payload", ["1", LOGIN, "x" * 2000])
def test_picture_is_a_png_wide_enough_for_a_phone(renderer: QrRenderer, payload: str) -> None:
    png = renderer.png(payload)

    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert pixels(png).shape[0] == pixels(png).shape[1] >= 300


def test_same_payload_gives_the_same_picture(renderer: QrRenderer) -> None:
    assert renderer.png(LOGIN) == renderer.png(LOGIN)


def test_payload_that_fits_no_code_is_rejected_and_not_shown(renderer: QrRenderer) -> None:
    with pytest.raises(MessageRejectedError, match="3000 characters do not fit a QR code") as caught:
        renderer.png("s" * 3000)

    assert "sss" not in str(caught.value)
