"""The providers that scenarios are played with: what each channel is set up with, at the product and at the simulator.

A further provider that the simulator speaks is one line here.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from .place import Place

ACCOUNT_SID = "AC" + "a" * 32
AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
JWT_KEY = "a webhook key of some length"
APP_SECRET = "an app secret of 32 characters.."
VERIFY_TOKEN = "a verify token"
# Beside numbers that write like people: a run has minutes, and sends as fast as elsewhere.
QUICK = ("--rate=50",)


class Setup(NamedTuple):
    """`hook` and `channel` are a channel's settings at the product. `path` ends the address of the provider's API.

    `own_hooks` where a hook serves one channel only, `pairs` where a session must be open first.
    """

    hook: Callable[[Place], Mapping[str, str]]
    channel: Callable[[Place], Mapping[str, str]]
    path: str = ""
    options: tuple[str, ...] = ()
    own_hooks: bool = False
    pairs: bool = False
    needs_public_url: bool = True

    def credentials(self, place: Place) -> dict[str, str]:
        """What the simulator has to know."""
        return {**self.hook(place), **self.channel(place)}


SETUPS: Mapping[str, Setup] = {
    "cloud": Setup(
        hook=lambda _: {"app_secret": APP_SECRET, "verify_token": VERIFY_TOKEN},
        channel=lambda place: {"phone_number_id": place.account, "access_token": place.access_token},
        needs_public_url=False,
    ),
    "twilio": Setup(
        hook=lambda _: {"auth_token": AUTH_TOKEN},
        channel=lambda _: {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN},
        options=QUICK,
    ),
    "evolution": Setup(
        hook=lambda place: {"instance": place.name, "jwt_key": JWT_KEY},
        channel=lambda place: {"instance": place.name, "jwt_key": JWT_KEY, "api_key": "a-key-of-the-server"},
        path="/evolution",
        options=QUICK,
        own_hooks=True,
        pairs=True,
    ),
    "wppconnect": Setup(
        hook=lambda place: {"session": place.name},
        channel=lambda place: {"session": place.name, "secret_key": "a-secret-of-the-server"},
        path="/wppconnect",
        options=QUICK,
        own_hooks=True,
        pairs=True,
    ),
}
