"""What an owner fills in to connect a WPPConnect Server."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from hailgate.core.errors import InputError
from hailgate.providers.config import Secret
from hailgate.providers.reading import is_base_url

DEFAULT_URL = "http://127.0.0.1:21465"
TIMEOUT_S = 30.0
# bcrypt reads 72 bytes of session and secret together; what lies behind them would protect nothing.
BCRYPT_READS = 72
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,60}")


class WppHook(msgspec.Struct, frozen=True, kw_only=True):
    """One session: its webhooks may leave its name out, so that the hook has to know it."""

    session: Annotated[str, Meta(title="Session", description="The session's name on the server.", examples=["clinic"])]

    def __post_init__(self) -> None:
        _check_session(self.session)


class WppChannel(msgspec.Struct, frozen=True, kw_only=True):
    """One session of a server; the server is yours."""

    session: Annotated[str, Meta(title="Session", description="The session's name on the server.", examples=["clinic"])]
    secret_key: Annotated[
        Secret,
        Meta(title="Secret key", description="The server's `secretKey`; tokens of the session are made with it."),
    ]
    api_url: Annotated[
        str, Meta(title="Server", description="Where the server is reached.", examples=[DEFAULT_URL])
    ] = DEFAULT_URL
    timeout_s: Annotated[
        float, Meta(title="Time-out", description="Seconds to wait for an answer of the server.", examples=["30"])
    ] = TIMEOUT_S

    def __post_init__(self) -> None:
        _check_session(self.session)
        secret = self.secret_key.reveal()
        _require(_is_path_segment(secret), "secret_key", "may hold letters, digits and ._~- only: it stands in a path")
        _require(
            len((self.session + secret).encode()) < BCRYPT_READS,
            "secret_key",
            f"must be shorter: session and secret together have to stay under {BCRYPT_READS} bytes",
        )
        _require(is_base_url(self.api_url), "api_url", "must be an http(s) URL without query or password")
        _require(1.0 <= self.timeout_s <= 300.0, "timeout_s", "must be 1 to 300 seconds")

    @property
    def session_url(self) -> str:
        return f"{self.api_url.rstrip('/')}/api/{self.session}"

    @property
    def token_url(self) -> str:
        """Holds the secret: never to be logged or shown."""
        return f"{self.session_url}/{self.secret_key.reveal()}/generate-token"


def _check_session(session: str) -> None:
    rule = "must be 1 to 60 letters, digits, dashes and underscores"
    _require(_SESSION.fullmatch(session) is not None, "session", rule)


def _is_path_segment(value: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9._~-]+", value) is not None


def _require(holds: bool, field: str, rule: str) -> None:
    if not holds:
        raise InputError(f"Setting {field} {rule}.", field=field)
