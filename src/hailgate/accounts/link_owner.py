"""Whose a link to a file is: a key's or an operator's. It works only as long as they may see the tenant's files."""

from enum import StrEnum
from typing import NamedTuple

from hailgate.accounts.models import ApiKey, Membership


class HolderKind(StrEnum):
    KEY = "key"
    OPERATOR = "operator"


class Holder(NamedTuple):
    """Who made a link."""

    kind: HolderKind
    id: int

    def __str__(self) -> str:
        return f"{self.kind}-{self.id}"


def parse_holder(text: str) -> Holder:
    """Raises ValueError."""
    kind, _, id_ = text.partition("-")
    return Holder(HolderKind(kind), int(id_))


def may_see(holder: Holder, tenant_id: int) -> bool:
    """Whether the key is not revoked, or the operator not shut out and still working for this tenant."""
    if holder.kind is HolderKind.KEY:
        return ApiKey.objects.filter(id=holder.id, tenant_id=tenant_id, revoked_at=None).exists()
    return Membership.objects.filter(operator_id=holder.id, operator__is_active=True, tenant_id=tenant_id).exists()
