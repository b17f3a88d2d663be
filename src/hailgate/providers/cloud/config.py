"""What an owner fills in to connect the Cloud API."""

from typing import Annotated

import msgspec
from msgspec import Meta

from hailgate.core.errors import InputError
from hailgate.providers.cloud.versions import DEFAULT, is_version
from hailgate.providers.config import GENERATED, Secret
from hailgate.providers.reading import is_base_url


class CloudHook(msgspec.Struct, frozen=True, kw_only=True):
    """One Meta app: it has one webhook URL for all its numbers."""

    app_secret: Annotated[
        Secret,
        Meta(title="App secret", description="In Meta's app dashboard under App settings, Basic. It signs webhooks."),
    ]
    verify_token: Annotated[
        Secret,
        Meta(
            title="Verify token",
            description="A word of your own: give Meta the same when you enter the hook's URL.",
            extra=GENERATED,
        ),
    ]


class CloudChannel(msgspec.Struct, frozen=True, kw_only=True):
    """One business phone number. A Graph API version lives about two years.

    `waba_id` is the WhatsApp Business Account that the number and its templates belong to.
    """

    phone_number_id: Annotated[
        str,
        Meta(
            title="Phone number ID",
            description="In WhatsApp Manager under API setup; it is not the phone number itself.",
            examples=["106540352242922"],
        ),
    ]
    access_token: Annotated[
        Secret,
        Meta(title="Access token", description="Of a system user, with whatsapp_business_messaging; it never expires."),
    ]
    api_url: Annotated[
        str,
        Meta(title="API address", description="Another one only for tests.", examples=["https://graph.facebook.com"]),
    ] = "https://graph.facebook.com"
    version: Annotated[
        str, Meta(title="Graph API version", description="One lives about two years.", examples=[DEFAULT])
    ] = DEFAULT
    waba_id: Annotated[
        str | None,
        Meta(
            title="WhatsApp Business Account ID",
            description="The account of the number and its templates; needed to list templates.",
            examples=["102290129340398"],
        ),
    ] = None

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
        _require(is_base_url(self.api_url), "api_url", "must be an http(s) URL without query or password")
        _require(is_version(self.version), "version", f"must look like {DEFAULT}")

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
