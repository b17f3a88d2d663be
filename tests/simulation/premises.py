"""What is there before each story."""

from typing import NamedTuple
from uuid import UUID

from hailgate.accounts.keys import add_tenant
from hailgate.messaging.channels.hooks import add_hook
from hailgate.messaging.channels.registry import add_channel, get_channel

from .meta import APP_SECRET


class Number(NamedTuple):
    name: str
    account: str
    uid: UUID


class Premises(NamedTuple):
    """Two numbers of a tenant on one hook, and a stranger who owns nothing."""

    tenant_id: int
    stranger_id: int
    hook_token: str
    channels: tuple[Number, ...]

    @classmethod
    def furnished(cls) -> "Premises":
        tenant = add_tenant("clinic")
        hook = add_hook(tenant.id, "cloud", {"app_secret": APP_SECRET, "verify_token": "verify"})
        channels = []
        for account, name, answered_by in (("101", "desk", "scripted"), ("102", "ward", "person")):
            settings = {"phone_number_id": account, "access_token": "token", "api_url": "http://127.0.0.1:9"}
            uid = add_channel(
                tenant.id, "cloud", name, f"155501{account}", settings, hook=hook.id, answered_by=answered_by
            )
            channels.append(Number(name, account, get_channel(tenant.id, str(uid)).uid))
        return cls(tenant.id, add_tenant("stranger").id, hook.token, tuple(channels))
