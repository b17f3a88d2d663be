"""A tenant's team, as its owner manages it: nothing here reaches into another tenant."""

from django.db import transaction
from django.db.models import QuerySet

from hailgate.accounts.models import Membership, Operator, Role
from hailgate.accounts.operators import add_operator, check_email, has_owner, make_sign_in_link
from hailgate.accounts.session_store import end_sessions
from hailgate.core.errors import Conflict


def find_team(tenant_id: int) -> QuerySet[Membership]:
    return Membership.objects.filter(tenant_id=tenant_id).select_related("operator").order_by("operator__email")


def add_colleague(tenant_id: int, email: str, name: str, role: str) -> tuple[Operator, str]:
    """With the token of a link for whoever is new; empty for one who signs in elsewhere already.

    Raises InputError, and Conflict for somebody who is in the team.
    """
    address = check_email(email)
    if Membership.objects.filter(tenant_id=tenant_id, operator__email=address).exists():
        raise Conflict("they are in the team already", field="email")
    known = Operator.objects.filter(email=address).exists()
    made = add_operator(tenant_id, address, name=name, role=role)
    return made, "" if known else make_sign_in_link(made)


def change_role(tenant_id: int, operator: Operator, role: str) -> bool:
    """False where it is theirs already. Raises Conflict where the team would be without an owner."""
    with transaction.atomic():
        ours = Membership.objects.filter(tenant_id=tenant_id, operator=operator)
        changed = ours.exclude(role=role).update(role=Role(role))
        _keep_owner(tenant_id)
    return bool(changed)


def let_go(tenant_id: int, operator: Operator) -> bool:
    """They see nothing of this tenant any more, at once. Raises Conflict where the team would be without an owner."""
    with transaction.atomic():
        gone, _ = Membership.objects.filter(tenant_id=tenant_id, operator=operator).delete()
        _keep_owner(tenant_id)
        end_sessions(operator.pk)
    return bool(gone)


def make_link_for(tenant_id: int, operator: Operator) -> str:
    """For a forgotten password. Raises Conflict for one who works elsewhere too: the link would open that as well."""
    elsewhere = Membership.objects.filter(operator=operator).exclude(tenant_id=tenant_id).exists()
    if elsewhere or operator.is_superuser or not operator.is_active:
        raise Conflict(
            "they work for others too, or own the installation: its owner makes links with `hailgate operator link`"
        )
    return make_sign_in_link(operator)


def _keep_owner(tenant_id: int) -> None:
    if not has_owner(tenant_id):
        raise Conflict("somebody has to own the team: make another one owner first")
