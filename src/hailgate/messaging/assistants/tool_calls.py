"""Tool calls of turns: on record, and where one would write, waiting for the button that the person was sent."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

from hailgate.accounts.seal import sealer
from hailgate.assistant.tools import CalledTool
from hailgate.messaging.assistants.answers import TurnPlace
from hailgate.messaging.assistants.superseding import was_superseded
from hailgate.messaging.store.sql import Cursor, as_uuid, atomic_cursor, every_tenant, fetch_one, locked, now
from hailgate.messaging.store.tables import TOOL_CALL

# A button is good for this long.
LIFE_S: Final = 600.0
COLUMNS = (
    "tenant_id", "conversation_id", "channel_id", "turn", "ordinal", "name", "mode", "state", "code", "token",
    "arguments", "expires_at", "created_at",
)  # fmt: skip


class CallState(StrEnum):
    """A read ends at once; a write is asked, and then running, or declined. ``EXPIRED`` is never stored."""

    ASKED = "asked"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DECLINED = "declined"
    EXPIRED = "expired"


class DecidedCall(NamedTuple):
    """A write and what the person said of it. ``arguments`` is JSON, ``turn`` and ``ordinal`` make its key."""

    state: CallState
    id: int = 0
    name: str = ""
    arguments: str = ""
    turn: int = 0
    ordinal: int = 0


class ToolScope(NamedTuple):
    """Whose data a call works on, by the ids that the API shows."""

    tenant: UUID
    conversation: UUID
    contact: UUID


def record_calls(cursor: Cursor, records: Sequence[tuple[TurnPlace, CalledTool]], moment: float) -> None:
    seal = sealer().seal
    rows = [
        (
            place.tenant_id, place.conversation_id, place.channel_id, place.turn, call.ordinal, call.name, call.mode,
            _state_of(call).value, call.code, call.token or None, seal(call.arguments) if call.arguments else "",
            moment + LIFE_S if call.token else None, moment,
        )
        for place, call in records
    ]  # fmt: skip
    if rows:
        TOOL_CALL.insert(cursor, COLUMNS, rows)


def decide_call(place: TurnPlace, token: str, *, wanted: bool) -> DecidedCall:
    """What the person's button decides: once, within its time, in its conversation.

    The same turn gets the same answer again, so that a worker which died on the way is followed by one that goes on; so
    does the one that answers in its place, where what it said was dropped for a newer message.
    """
    with atomic_cursor() as cursor:
        found = fetch_one(
            cursor,
            f"SELECT id, state, name, arguments, turn, ordinal, expires_at, decided_by FROM messaging_toolcall "
            f"WHERE token = %s AND tenant_id = %s AND conversation_id = %s{locked()}",
            [token, place.tenant_id, place.conversation_id],
        )
        if found is None:
            return DecidedCall(CallState.EXPIRED)
        id_, state, name, arguments, turn, ordinal, expires_at, decided_by = found
        decided = DecidedCall(
            CallState(state), id_, name, sealer().unseal(arguments) if arguments else "", turn, ordinal
        )
        if decided_by == place.turn or (decided_by and was_superseded(cursor, place.conversation_id, decided_by)):
            return decided
        if state != CallState.ASKED or expires_at <= now(cursor):
            return decided._replace(state=CallState.EXPIRED)
        chosen = CallState.RUNNING if wanted else CallState.DECLINED
        cursor.execute(
            "UPDATE messaging_toolcall SET state = %s, decided_by = %s WHERE tenant_id = %s AND id = %s",
            [chosen.value, place.turn, place.tenant_id, id_],
        )
        return decided._replace(state=chosen)


def settle_call(tenant_id: int, call_id: int, code: str) -> None:
    """What came of a write; an empty ``code`` where it went well. Its arguments are needed no more."""
    state = CallState.FAILED if code else CallState.DONE
    with atomic_cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_toolcall SET state = %s, code = %s, arguments = '' WHERE tenant_id = %s AND id = %s",
            [state.value, code[:60], tenant_id, call_id],
        )


def get_scope(conversation_id: int) -> ToolScope:
    with atomic_cursor(read_only=True) as cursor:
        found = fetch_one(
            cursor,
            "SELECT tenant.uid, conversation.uid, contact.uid FROM messaging_conversation conversation "
            "JOIN messaging_contact contact ON contact.id = conversation.contact_id "
            "JOIN accounts_tenant tenant ON tenant.id = conversation.tenant_id "
            f"WHERE conversation.id = %s {every_tenant('by key')}",
            [conversation_id],
        )
    assert found  # noqa: S101 -- a turn has its conversation
    return ToolScope(*map(as_uuid, found))


def _state_of(call: CalledTool) -> CallState:
    if call.token:
        return CallState.ASKED
    return CallState.FAILED if call.code else CallState.DONE
