"""QR codes of pairing as pictures. Pure."""

import base64
import io
import secrets

import segno


def new_code() -> str:
    """As WhatsApp's: a reference and three keys."""
    return "2@" + ",".join(
        [secrets.token_urlsafe(66), *(base64.b64encode(secrets.token_bytes(32)).decode() for _ in "abc")]
    )


def new_pairing_code() -> str:
    """Eight characters that cannot be mistaken for each other."""
    return "".join(secrets.choice("123456789ABCDEFGHJKLMNPQRSTVWXYZ") for _ in range(8))


def render_png(code: str) -> str:
    """Base64."""
    picture = io.BytesIO()
    segno.make(code, error="l").save(picture, kind="png", scale=4)
    return base64.b64encode(picture.getvalue()).decode()


def render_svg(code: str) -> bytes:
    picture = io.BytesIO()
    segno.make(code, error="l").save(picture, kind="svg", scale=3, light="white")
    return picture.getvalue()
