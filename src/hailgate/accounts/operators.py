"""Operators: made, found, let in by a link, and shut out."""

import hashlib
import secrets
import time
from typing import NamedTuple

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from hailgate.accounts.models import Membership, Operator, Role, SignInLink
from hailgate.accounts.session_store import end_sessions
from hailgate.core.errors import InputError, NotFound

LINK_LIFE_S = 15 * 60.0


class CurrentOperator(NamedTuple):
    """Who looks at the console, and for which tenant. Both come from the session, never from the request."""

    operator_id: int
    uid: str
    name: str
    tenant_id: int
    tenant: str
    role: str

    @property
    def is_owner(self) -> bool:
        return self.role == Role.OWNER


def add_operator(
    tenant_id: int,
    email: str,
    *,
    name: str = "",
    role: str = Role.OWNER,
    password: str | None = None,
    installation_owner: bool = False,
) -> Operator:
    """A new operator, or a known one who works for this tenant too from now on. Raises InputError.

    Without a password they come in by a sign-in link and choose one there.
    """
    address = check_email(email)
    if role not in Role.values:
        raise InputError(f"role: must be one of: {', '.join(Role.values)}.", field="role")
    with transaction.atomic():
        operator = Operator.objects.filter(email=address).first()
        if operator is None:
            operator = Operator(email=address, name=name.strip()[:100], created_at=time.time())
            operator.set_unusable_password()
        if password is not None:
            set_password(operator, password)
        operator.is_superuser = operator.is_superuser or installation_owner
        operator.save()
        Membership.objects.update_or_create(operator=operator, tenant_id=tenant_id, defaults={"role": role})
    return operator


def set_password(operator: Operator, password: str) -> None:
    """Raises InputError with the first rule that it breaks. Sessions of other browsers end with the old one."""
    try:
        validate_password(password, operator)
    except ValidationError as weak:
        raise InputError(f"password: {weak.messages[0]}", field="password") from None
    operator.set_password(password)


def change_password(operator: Operator, password: str) -> None:
    """What was to let them in without it ends too."""
    set_password(operator, password)
    with transaction.atomic():
        Operator.objects.filter(id=operator.pk).update(password=operator.password)
        SignInLink.objects.filter(operator=operator, reusable=False).delete()


def check_email(email: str) -> str:
    """In the one form in which it is stored and looked up."""
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError:
        raise InputError("email: needs an address such as ada@example.org.", field="email") from None
    return address


def get_operator(email: str) -> Operator:
    found = Operator.objects.filter(email=email.strip().lower()).first()
    if found is None:
        raise NotFound("there is no operator with this e-mail address; see `hailgate operator list`", field="email")
    return found


def shut_out(operator: Operator) -> None:
    """Not deleted: what they wrote stays theirs. Every session of theirs ends, and does not come back with them."""
    with transaction.atomic():
        Operator.objects.filter(id=operator.pk).update(is_active=False)
        SignInLink.objects.filter(operator=operator).delete()
        end_sessions(operator.pk)


def let_in(operator: Operator) -> None:
    Operator.objects.filter(id=operator.pk).update(is_active=True)


def make_sign_in_link(operator: Operator, *, life_s: float = LINK_LIFE_S, reusable: bool = False) -> str:
    """The token of a link; it is returned once and stored as a digest."""
    token, now = secrets.token_urlsafe(32), time.time()
    with transaction.atomic():
        SignInLink.objects.filter(expires_at__lt=now).delete()
        SignInLink.objects.create(operator=operator, digest=_digest(token), reusable=reusable, expires_at=now + life_s)
    return token


def redeem_sign_in_link(token: str) -> Operator | None:
    """None for one that is unknown, over, used, or of somebody who was shut out. Of two who race, one gets in."""
    if not token.isascii():
        return None
    found = SignInLink.objects.filter(digest=_digest(token), expires_at__gte=time.time(), operator__is_active=True)
    link = found.select_related("operator").first()
    if link is None:
        return None
    if not link.reusable and not SignInLink.objects.filter(id=link.pk).delete()[0]:
        return None
    return link.operator


def is_reusable(token: str) -> bool:
    """A link that looking at it does not use up, such as the demo's."""
    links = SignInLink.objects.filter(reusable=True, expires_at__gte=time.time())
    return token.isascii() and links.filter(digest=_digest(token)).exists()


def has_owner(tenant_id: int) -> bool:
    return Membership.objects.filter(tenant_id=tenant_id, role=Role.OWNER, operator__is_active=True).exists()


def find_viewer(operator: Operator, tenant_id: int | None) -> CurrentOperator | None:
    """For the tenant that was chosen, or the first one; None where the operator works for nobody."""
    memberships = Membership.objects.filter(operator=operator).select_related("tenant").order_by("id")
    chosen = memberships.filter(tenant_id=tenant_id).first() if tenant_id else None
    membership = chosen or memberships.first()
    if membership is None:
        return None
    tenant = membership.tenant
    return CurrentOperator(operator.pk, operator.uid.hex, str(operator), tenant.pk, tenant.name, membership.role)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
