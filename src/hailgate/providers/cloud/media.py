"""Files at the Cloud API: what a webhook tells of them, and how they are fetched.

A look-up by id gives an address that works for five minutes; the bytes are there for whoever shows the channel's token.
The address is the answer's word, so it is called through the egress guard, and the token goes to Meta's hosts alone.
"""

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from hailgate.core.content import Inbound, find_file, kind_of
from hailgate.core.delivery import parse_retry_after
from hailgate.core.errors import (
    ChannelUnauthorized,
    InputError,
    OutcomeUnknown,
    ProviderThrottled,
    ProviderUnavailable,
    Rejected,
    Scope,
    SendError,
    TooLarge,
)
from hailgate.core.media import LARGEST_FILE, LocalMedia, RemoteMedia
from hailgate.providers.cloud.config import CloudChannel
from hailgate.providers.cloud.wire import parse_ack
from hailgate.providers.contract import Connection
from hailgate.providers.multipart_writer import MultipartWriter
from hailgate.providers.reading import identifier, read

if TYPE_CHECKING:
    from hailgate.providers.egress import Fetched
    from hailgate.providers.transport import HttpReply

LONGEST_FILE_ID = 255
# Where Meta keeps files; only these and the channel's own API get to see its token.
META_HOSTS = ("facebook.com", "fbsbx.com", "fbcdn.net", "whatsapp.net", "whatsapp.com")


_object = msgspec.json.Decoder(dict[str, Any])


def remote_media(content: Inbound) -> RemoteMedia | None:
    """The file that came with a message; None also where it cannot be fetched."""
    file = find_file(content)
    if file is None or (file_id := identifier(file.id)) is None or len(file_id) > LONGEST_FILE_ID:
        return None
    return RemoteMedia(kind_of(content), file_id, _as_hex(file.sha256 or ""), file.filename or "")


class Library:
    """The files of one channel."""

    def __init__(self, connection: Connection[CloudChannel]) -> None:
        from hailgate.providers.egress import OwnHosts  # who only receives needs no network library

        self._channel, self._transport, self._clock = connection.config, connection.transport, connection.clock
        self._headers = {"Authorization": f"Bearer {connection.config.access_token.reveal()}"}
        self._hosts = OwnHosts(connection.config.api_url, META_HOSTS)

    async def fetch(self, media: RemoteMedia) -> AsyncIterator[bytes]:
        url, told = await self._look_up(media.provider_id)
        wanted = {digest for digest in (media.sha256, told) if digest}
        digest = hashlib.sha256()
        try:
            async with self._hosts.get(url, limit=LARGEST_FILE, headers=self._headers) as fetched:
                self._check_answer(fetched)
                async for chunk in fetched.chunks:
                    digest.update(chunk)
                    yield chunk
        except TooLarge as refused:
            raise Rejected(refused.detail, code=refused.code) from None
        except InputError as refused:
            raise Rejected(f"The provider's answer leads nowhere. {refused.detail}", code=refused.code) from None
        if wanted and digest.hexdigest() not in wanted:
            raise ProviderUnavailable("The file did not arrive as the provider described it.")

    async def upload(self, media: LocalMedia) -> str:
        form = MultipartWriter({"messaging_product": "whatsapp", "type": media.mime}, media)
        reply = await self._transport.upload(f"{self._channel.number_url}/media", headers=self._headers, form=form)
        try:
            self._check_ack(reply)
        except Rejected as refused:
            detail = f"Meta does not take the file, of type {media.mime}. {refused.detail}"
            raise Rejected(detail, code="file_refused", provider_code=refused.provider_code) from None
        if (file_id := identifier((read(_object, reply.body) or {}).get("id"))) is None:
            raise ProviderUnavailable("Meta's answer to the upload names no file.")
        return file_id

    async def _look_up(self, file_id: str) -> tuple[str, str]:
        """Its address and SHA-256. Without `phone_number_id`, which names who uploaded a file: nobody of us did."""
        url = f"{self._channel.version_url}/{quote(file_id, safe='')}"
        reply = await self._transport.get(url, headers=self._headers)
        try:
            self._check_ack(reply)
        except ChannelUnauthorized as refused:
            if reply.status == 401:
                raise
            # "Does not exist or is not visible", which of a file is true after its days have passed.
            raise Rejected("Meta does not have the file, or not any more.", code="media_gone") from refused
        answer = read(_object, reply.body) or {}
        address, digest = answer.get("url"), answer.get("sha256")
        if not isinstance(address, str):
            raise ProviderUnavailable("The look-up of the file gave no address.")
        return address, _as_hex(digest) if isinstance(digest, str) else ""

    def _check_ack(self, reply: "HttpReply") -> None:
        try:
            parse_ack(*reply, self._clock())
        except OutcomeUnknown as unclear:  # to look something up twice, or to give it twice, does no harm
            raise ProviderUnavailable(unclear.detail) from None

    def _check_answer(self, fetched: "Fetched") -> None:
        if fetched.status == 200:
            return
        raise self._refusal(fetched.status, fetched.headers)

    def _refusal(self, status: int, headers: Mapping[str, str]) -> SendError:
        if status == 429:
            wait = parse_retry_after(headers.get("Retry-After"), self._clock())
            return ProviderThrottled("Meta asks for a slower pace.", scope=Scope.CHANNEL, retry_after=wait)
        # An address that has expired is answered so, too; the next attempt looks up a new one.
        return ProviderUnavailable(f"The download of the file was answered with {status}.")


def _as_hex(digest: str) -> str:
    """Webhooks write a SHA-256 in base64, look-ups in hexadecimal."""
    if len(digest) == 64:
        return digest.lower() if set(digest.lower()) <= set("0123456789abcdef") else ""
    try:
        raw = base64.b64decode(digest, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return raw.hex() if len(raw) == 32 else ""
