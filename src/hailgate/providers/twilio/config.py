"""What an owner fills in to connect Twilio."""

import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from hailgate.core.errors import InputError
from hailgate.providers.config import Secret
from hailgate.providers.reading import is_base_url

API: Final = "https://api.twilio.com"
_SID = re.compile(r"(AC|MG|SK)[0-9a-fA-F]{32}")


class TwilioHook(msgspec.Struct, frozen=True, kw_only=True):
    """One account. Only its primary auth token signs; a shared key signs what was set up with it."""

    auth_token: Annotated[
        Secret,
        Meta(title="Auth token", description="The primary auth token, in the console under Account info. It signs."),
    ]
    former_auth_token: Annotated[
        Secret | None,
        Meta(title="Former auth token", description="Believed beside the new one while the token is being replaced."),
    ] = None
    signing_key: Annotated[
        Secret | None,
        Meta(title="Signing key", description="Secret of a shared webhook key, where webhooks are signed with one."),
    ] = None


class TwilioChannel(msgspec.Struct, frozen=True, kw_only=True):
    """One WhatsApp sender of an account. An API key is better than the auth token: it can be revoked by itself."""

    account_sid: Annotated[
        str,
        Meta(
            title="Account SID",
            description="In the console under Account info; it begins with AC.",
            examples=["ACxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
        ),
    ]
    auth_token: Annotated[Secret | None, Meta(title="Auth token", description="Needed unless an API key is given.")] = (
        None
    )
    api_key_sid: Annotated[
        str | None, Meta(title="API key SID", description="It begins with SK, and goes with its secret.")
    ] = None
    api_key_secret: Annotated[
        Secret | None, Meta(title="API key secret", description="Shown once, when the key is made.")
    ] = None
    messaging_service_sid: Annotated[
        str | None,
        Meta(title="Messaging service SID", description="Sends through this service; it begins with MG."),
    ] = None
    api_url: Annotated[str, Meta(title="API address", description="Another one only for tests.", examples=[API])] = API

    def __post_init__(self) -> None:
        _check_sid(self.account_sid, "account_sid", "AC")
        if self.api_key_sid is not None:
            _check_sid(self.api_key_sid, "api_key_sid", "SK")
        if self.messaging_service_sid is not None:
            _check_sid(self.messaging_service_sid, "messaging_service_sid", "MG")
        if (self.api_key_sid is None) != (self.api_key_secret is None):
            raise InputError("Settings api_key_sid and api_key_secret go together.", field="api_key_secret")
        if self.auth_token is None and self.api_key_secret is None:
            raise InputError("Setting auth_token is missing; or give api_key_sid and its secret.", field="auth_token")
        if not is_base_url(self.api_url):
            raise InputError("Setting api_url must be an http(s) URL without query or password.", field="api_url")

    @property
    def credentials(self) -> tuple[str, str]:
        """User and password of every call."""
        if self.api_key_sid is not None and self.api_key_secret is not None:
            return self.api_key_sid, self.api_key_secret.reveal()
        return self.account_sid, self.auth_token.reveal() if self.auth_token else ""

    @property
    def account_url(self) -> str:
        return f"{self.api_url.rstrip('/')}/2010-04-01/Accounts/{self.account_sid}"

    def host(self, name: str) -> str:
        """Twilio's other hosts (`content`, `messaging`), or the one address of another server."""
        return f"https://{name}.twilio.com" if self.api_url.rstrip("/") == API else self.api_url.rstrip("/")


def _check_sid(value: str, field: str, prefix: str) -> None:
    if not (_SID.fullmatch(value) and value.startswith(prefix)):
        raise InputError(f"Setting {field} must be {prefix} and 32 hexadecimal digits.", field=field)
