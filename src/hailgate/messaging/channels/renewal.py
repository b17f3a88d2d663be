"""Renewing a hook's token: the only secret of some hooks, so that it can be exchanged without losing a webhook."""

from typing import Final

from django.db.models import F

from hailgate.accounts.seal import sealer
from hailgate.core.errors import InputError, NotFound
from hailgate.messaging.channels.hooks import NewHook, digest_token, make_token
from hailgate.messaging.models import Channel, Hook
from hailgate.messaging.store.sql import atomic_cursor, now

LONGEST_OVERLAP_S: Final = 30 * 86_400.0


def renew_hook(found: Hook, overlap_s: float) -> NewHook:
    """A new token; what is posted to the one before is taken for ``overlap_s`` more, to any older one no longer.

    Raises InputError for the overlap, NotFound for a hook that was removed.
    """
    if not 0 <= overlap_s <= LONGEST_OVERLAP_S:
        raise InputError(f"overlap: needs 0 to {LONGEST_OVERLAP_S / 3600:g} hours.", field="overlap")
    token = make_token()
    with atomic_cursor() as cursor:
        ours = Hook.objects.filter(tenant_id=found.tenant_id, pk=found.pk, active=True)
        held = ours.select_for_update().first()
        if held is None:
            raise NotFound("this hook was removed", field="hook")
        former = (held.token_digest, now(cursor) + overlap_s) if overlap_s else (None, None)
        sealed = sealer().seal(token)
        ours.update(token=sealed, token_digest=digest_token(token), former_digest=former[0], former_until=former[1])
        # Workers connect anew: what is told to a provider from now on leads to the new address.
        Channel.objects.filter(tenant_id=found.tenant_id, hook_id=found.pk).update(version=F("version") + 1)
    return NewHook(found.uid, token)
