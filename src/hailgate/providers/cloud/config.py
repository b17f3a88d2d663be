"""What an owner fills in to connect the Cloud API."""

import re
from urllib.parse import urlsplit

import msgspec

from hailgate.core.errors import InputError
from hailgate.providers.contract import Secret

_VERSION = re.compile(r"v\d{1,3}\.\d{1,2}")


class CloudHook(msgspec.Struct, frozen=True, kw_only=True):
    """One Meta app: it has one webhook URL for all its numbers."""

    app_secret: Secret
    verify_token: Secret


class CloudChannel(msgspec.Struct, frozen=True, kw_only=True):
    """One business phone number. A Graph API version lives about two years.

    `waba_id` is the WhatsApp Business Account that the number and its templates belong to.
    """

    phone_number_id: str
    access_token: Secret
    api_url: str = "https://graph.facebook.com"
    version: str = "v23.0"
    waba_id: str | None = None

    def __post_init__(self) -> None:
        token = self.access_token.reveal()
        _require(
            _is_digits(self.phone_number_id),
            "phone_number_id",
            "must be the id of the number, digits only (it is not the phone number)",
        )
        _require(token.isascii() and token.isprintable(), "access_token", "holds characters no token has")
        _require(
            self.waba_id is None or _is_digits(self.waba_id),
            "waba_id",
            "must be the id of the WhatsApp Business Account, digits only",
        )
        _require(_is_base_url(self.api_url), "api_url", "must be an http(s) URL without query or password")
        _require(_VERSION.fullmatch(self.version) is not None, "version", "must look like v23.0")

    @property
    def version_url(self) -> str:
        return f"{self.api_url.rstrip('/')}/{self.version}"

    @property
    def number_url(self) -> str:
        return f"{self.version_url}/{self.phone_number_id}"


def _require(holds: bool, field: str, rule: str) -> None:
    if not holds:
        raise InputError(f"Setting {field} {rule}.", field=field)


def _is_digits(value: str) -> bool:
    return value.isascii() and value.isdigit() and len(value) <= 32


def _is_base_url(value: str) -> bool:
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        return False
    plain = not (url.query or url.fragment or url.username or url.password) and port != 0
    return url.scheme in {"http", "https"} and bool(url.hostname) and plain and value.isprintable()
