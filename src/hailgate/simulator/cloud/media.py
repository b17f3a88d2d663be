"""The media store of the Cloud API: what it takes, how long it keeps it, the addresses that it gives out. Pure."""

import base64
import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from hailgate.simulator.cloud.content import find_host
from hailgate.simulator.cloud.errors import GraphError
from hailgate.simulator.model import Channel, Failure, File

URL_LIVES_S = 300.0
UPLOAD_LIVES_S = 30 * 86_400.0
INBOUND_LIVES_S = 7 * 86_400.0
DOWNLOAD_PATH = "/whatsapp_business/attachments/"
MB = 1024 * 1024
MAX_DOCUMENT = 100 * MB
MAX_STICKER = 500 * 1024  # an animated one; whether it is only a program that reads webp could tell
NOWHERE = ".invalid"  # no such host can exist (RFC 2606): a link there cannot be fetched

AUDIO = ("audio/aac", "audio/mp4", "audio/mpeg", "audio/amr", "audio/ogg", "audio/opus")
OFFICE = "application/vnd.openxmlformats-officedocument."
DOCUMENTS = (
    "application/vnd.ms-powerpoint", "application/msword", f"{OFFICE}wordprocessingml.document",
    f"{OFFICE}presentationml.presentation", f"{OFFICE}spreadsheetml.sheet", "application/pdf", "text/plain",
    "application/vnd.ms-excel",
)  # fmt: skip
IMAGES = ("image/jpeg", "image/png")
VIDEOS = ("video/mp4", "video/3gpp")
STICKERS = ("image/webp",)
UPLOADS = (*AUDIO, *DOCUMENTS, *IMAGES, *STICKERS, *VIDEOS)
TYPES: Mapping[str, tuple[str, ...]] = {"image": IMAGES, "video": VIDEOS, "audio": AUDIO, "sticker": STICKERS}


def check_upload(media_type: str, size: int) -> None:
    if media_type not in UPLOADS:
        raise GraphError(
            100,
            message=f"(#100) Param file must be a file with one of the following types: {', '.join(UPLOADS)}."
            f" Received file of type '{media_type}'.",
        )
    if not 0 < size <= max_size(media_type):
        raise GraphError(131053, f"The file has {size} bytes; {media_type} may have 1 to {max_size(media_type)}.")


def max_size(media_type: str) -> int:
    if media_type in STICKERS:
        return MAX_STICKER
    if media_type in IMAGES:
        return 5 * MB
    return 16 * MB if media_type in AUDIO + VIDEOS else MAX_DOCUMENT


def find_fault(kind: str, media: Mapping[str, Any], file: File | None) -> Failure | None:
    """Why a message with this media fails after it was accepted: Meta looks at the file only then."""
    if file is None:
        host = find_host(media["link"]) or ""
        return as_failure("Downloading media from weblink failed.") if host.endswith(NOWHERE) else None
    if kind in TYPES and file.media_type not in TYPES[kind]:
        allowed = ", ".join(TYPES[kind])
        return as_failure(f"Unsupported {kind.capitalize()} mime type {file.media_type}. Please use one of {allowed}.")
    if media.get("voice") and file.media_type not in {"audio/ogg", "audio/opus"}:
        return as_failure(f"A voice message is audio/ogg with the opus codec, not {file.media_type}.")
    return None


def as_failure(details: str) -> Failure:
    return Failure(131053, "Media upload error", details)


def is_there(file: File, channel: Channel, now: float) -> bool:
    """For this business number: not another's, not deleted, not too old."""
    lives = UPLOAD_LIVES_S if file.owner == "business" else INBOUND_LIVES_S
    return file.holder == channel.number and not file.deleted and now < file.at + lives


def render_url(home: str, channel: Channel, file_id: str, now: float) -> str:
    expires_at = int(now + URL_LIVES_S)
    return f"{home}{DOWNLOAD_PATH}?mid={file_id}&ext={expires_at}&hash={sign_url(channel, file_id, str(expires_at))}"


def sign_url(channel: Channel, file_id: str, expires_at: str) -> str:
    key = channel.credentials["app_secret"].encode()
    return hmac.new(key, f"{file_id} {expires_at}".encode(), sha256).hexdigest()


def render_file(file: File, url: str) -> dict[str, Any]:
    """The answer to a look-up; webhooks have the digest in base64, this one in hexadecimal."""
    return {
        "messaging_product": "whatsapp",
        "url": url,
        "mime_type": file.mime_type,
        "sha256": file.sha256,
        "file_size": str(file.size),
        "id": file.id,
    }


def as_base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
