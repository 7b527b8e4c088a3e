"""An independent reader of QR codes: OpenCV's, which shares no code with the library that draws them."""

import cv2
import numpy as np


def read_qr(png: bytes) -> str:
    """Give the text in a picture of a QR code, "" if there is none that it can read."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        return ""
    text, _, _ = cv2.QRCodeDetectorAruco().detectAndDecode(picture)
    return str(text)
