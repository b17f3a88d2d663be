"""What an owner fills in to connect an Evolution API server."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from hailgate.core.errors import InputError
from hailgate.providers.config import GENERATED, Secret
from hailgate.providers.reading import is_base_url

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_S = 30.0
LEAST_KEY = 16
_INSTANCE = re.compile(r"[A-Za-z0-9_-]{1,100}")

Instance = Annotated[str, Meta(title="Instance", description="The instance's name on the server.", examples=["clinic"])]
JwtKey = Annotated[
    Secret,
    Meta(
        title="Webhook key",
        description="A secret of yours, 16 characters or more, that proves webhooks; the same in hook and channel.",
        extra=GENERATED,
    ),
]


class EvolutionHook(msgspec.Struct, frozen=True, kw_only=True):
    """One instance; calls without a token made with `jwt_key` are refused."""

    instance: Instance
    jwt_key: JwtKey

    def __post_init__(self) -> None:
        _check(self.instance, self.jwt_key)


class EvolutionChannel(msgspec.Struct, frozen=True, kw_only=True):
    """One instance of a server of your own. With the server's global key it is made where it does not exist."""

    instance: Instance
    api_key: Annotated[
        Secret, Meta(title="API key", description="The server's global key, or the instance's own token.")
    ]
    jwt_key: JwtKey
    api_url: Annotated[
        str, Meta(title="Server", description="Where the server is reached.", examples=[DEFAULT_URL])
    ] = DEFAULT_URL
    timeout_s: Annotated[
        float, Meta(title="Time-out", description="Seconds to wait for an answer of the server.", examples=["30"])
    ] = TIMEOUT_S
    native_menus: Annotated[
        bool,
        Meta(
            title="Native lists and buttons",
            description="Send them as such, not as numbered words. Many phones show them only from 2.4 on.",
            examples=["true"],
        ),
    ] = False
    own_ids: Annotated[
        bool,
        Meta(
            title="Ids of ours",
            description="Give each message an id by which it is found where its answer was lost. For 2.4 and later.",
            examples=["true"],
        ),
    ] = False

    def __post_init__(self) -> None:
        _check(self.instance, self.jwt_key)
        key = self.api_key.reveal()
        _require(key.isascii() and key.isprintable() and " " not in key, "api_key", "holds characters no key has")
        _require(is_base_url(self.api_url), "api_url", "must be an http(s) URL without query or password")
        _require(1.0 <= self.timeout_s <= 300.0, "timeout_s", "must be 1 to 300 seconds")

    def url(self, call: str) -> str:
        """`call` is such as `message/sendText`."""
        return f"{self.api_url.rstrip('/')}/{call}/{self.instance}"

    @property
    def create_url(self) -> str:
        return f"{self.api_url.rstrip('/')}/instance/create"

    @property
    def list_url(self) -> str:
        return f"{self.api_url.rstrip('/')}/instance/fetchInstances?instanceName={self.instance}"


def _check(instance: str, jwt_key: Secret) -> None:
    rule = "must be 1 to 100 letters, digits, dashes and underscores"
    _require(_INSTANCE.fullmatch(instance) is not None, "instance", rule)
    _require(len(jwt_key.reveal()) >= LEAST_KEY, "jwt_key", f"must have {LEAST_KEY} characters or more")


def _require(holds: bool, field: str, rule: str) -> None:
    if not holds:
        raise InputError(f"Setting {field} {rule}.", field=field)
