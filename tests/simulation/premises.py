"""What is there before each story."""

from typing import NamedTuple
from uuid import UUID

from hailgate.accounts.keys import add_tenant
from hailgate.messaging.channels.hooks import add_hook
from hailgate.messaging.channels.registry import add_channel, get_channel

from .dialects import PUBLIC_URL, Dialect


class Number(NamedTuple):
    name: str
    account: str
    uid: UUID


class Premises(NamedTuple):
    """Two numbers of a tenant on one hook of one provider, and a stranger who owns nothing."""

    tenant_id: int
    stranger_id: int
    hook_token: str
    hook_url: str
    channels: tuple[Number, ...]

    @classmethod
    def furnished(cls, dialect: Dialect) -> "Premises":
        tenant, stranger = (add_tenant(f"{name} at {dialect.provider}") for name in ("clinic", "stranger"))
        hook = add_hook(tenant.id, dialect.provider, dict(dialect.hook))
        channels = []
        for number, name, answered_by in (("155501101", "desk", "scripted"), ("155501102", "ward", "person")):
            account = dialect.account(number)
            uid = add_channel(
                tenant.id, dialect.provider, name, number, dict(dialect.channel(account)), hook=hook.id,
                answered_by=answered_by,
            )  # fmt: skip
            channels.append(Number(name, account, get_channel(tenant.id, str(uid)).uid))
        return cls(tenant.id, stranger.id, hook.token, f"{PUBLIC_URL}/hooks/{hook.token}", tuple(channels))
