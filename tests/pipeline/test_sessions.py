"""One watch of a session, and one look for a lost message, with a provider that is played."""

import pytest

from hailgate.core.errors import OutcomeUnknown, ProviderUnavailable
from hailgate.core.evidence import Findings
from hailgate.core.sessions import PairingCode, SessionReport, SessionState, SessionWish
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.messaging.channels.session_views import find_code, find_session
from hailgate.messaging.channels.session_watch import claim_sessions
from hailgate.messaging.channels.sessions import wish_session
from hailgate.messaging.outbound.search import begin_searches, claim_searches
from hailgate.pipeline.searches import Searches
from hailgate.pipeline.sessions import Sessions
from hailgate.providers.fake import FakeChannel, FakeProvider
from messaging.acting import channel_row, execute, fresh, send
from pipeline.stage import NUMBER


class Paired(FakeProvider):
    """A fake with a phone. `states` are what it says of its session, one look after the other."""

    def __init__(self) -> None:
        super().__init__(FakeChannel(number=NUMBER))
        self.states: list[SessionState | Exception] = []
        self.done: list[str] = []
        self.found = Findings()

    async def session_state(self) -> SessionReport:
        state = self.states.pop(0)
        if isinstance(state, Exception):
            raise state
        return SessionReport(state=state, number=NUMBER)

    async def start_session(self, *, phone=None) -> SessionReport:
        self.done.append(f"start {phone}" if phone else "start")
        return SessionReport(state=SessionState.PAIRING, code=PairingCode("2@code", bool(phone), 45.0))

    async def end_session(self) -> SessionReport:
        self.done.append("end")
        return SessionReport(state=SessionState.CLOSED)

    async def log_out(self) -> SessionReport:
        self.done.append("log out")
        return SessionReport(state=SessionState.UNPAIRED)

    async def find_sent(self, sought) -> Findings:
        self.sought = sought
        return self.found


class Keeping(Paired):
    """Its server keeps more than the login."""

    async def delete_session(self) -> SessionReport:
        self.done.append("delete")
        return SessionReport(state=SessionState.UNPAIRED)


@pytest.fixture
async def phone(desk, played):
    """A channel whose provider pairs phones, and what looks after it."""
    played.provider = Paired()
    return played.provider


async def watch(desk, moment=None):
    batch = await desk.db(claim_sessions, desk.worker, open_room(10))
    connections = desk.new_outbound()._connections
    watching = Sessions(desk.db, desk.worker, connections=connections)
    for claim in batch.claims:
        await watching.watch(claim, moment or batch.moment)
    return await desk.db(find_session, desk.channel.tenant_id, desk.channel.id)


async def wish(desk, wanted, phone=""):
    await desk.db(lambda: wish_session(channel_row(desk.channel), wanted, phone))


@pytest.mark.parametrize(("number", "done"), [("", "start"), ("+15550100000", "start 15550100000")])
async def test_pairing_starts_the_session_and_shows_its_code(desk, phone, number, done):
    await wish(desk, SessionWish.PAIR, number)
    phone.states = [SessionState.CLOSED]
    assert (await watch(desk)).state is SessionState.PAIRING
    assert phone.done == [done]
    shown = await desk.db(find_code, desk.channel.tenant_id, desk.channel.id)
    assert (shown.value, shown.typed) == ("2@code", bool(number))


async def test_a_session_that_is_open_is_only_looked_at(desk, phone):
    await wish(desk, SessionWish.OPEN)
    await desk.db(execute, "UPDATE messaging_session SET state = 'open'")
    phone.states = [SessionState.OPEN]
    assert (await watch(desk)).state is SessionState.OPEN
    assert phone.done == []


async def test_one_that_somebody_else_opened_is_started_so_that_it_tells_us(desk, phone):
    await wish(desk, SessionWish.OPEN)
    phone.states = [SessionState.OPEN]
    await watch(desk)
    assert phone.done == ["start"]


async def test_a_code_to_type_takes_the_place_of_one_to_scan(desk, phone):
    await wish(desk, SessionWish.PAIR, "15550100000")
    phone.states = [SessionState.PAIRING]
    await watch(desk)
    assert phone.done == ["end", "start 15550100000"]


async def test_a_code_that_nobody_asked_for_ends_the_session_and_says_that_the_phone_is_gone(desk, phone):
    await wish(desk, SessionWish.OPEN)
    phone.states = [SessionState.PAIRING]
    assert (await watch(desk)).state is SessionState.UNPAIRED
    assert phone.done == ["end"]


@pytest.mark.parametrize(
    ("wanted", "done"),
    [
        (SessionWish.CLOSE, "end"),
        (SessionWish.LOG_OUT, "log out"),
        (SessionWish.DELETE, "log out"),  # of a server that keeps nothing else
    ],
)
async def test_ending_and_logging_out_are_carried_out(desk, phone, wanted, done):
    await wish(desk, wanted)
    phone.states = [SessionState.OPEN]
    await watch(desk)
    assert phone.done == [done]


async def test_what_else_a_server_keeps_of_a_session_is_deleted_once(desk, phone, played):
    played.provider = keeper = Keeping()
    await wish(desk, SessionWish.DELETE)
    keeper.states = [SessionState.OPEN]
    assert (await watch(desk)).state is SessionState.UNPAIRED
    assert keeper.done == ["delete"]
    assert (await desk.db(claim_sessions, desk.worker, open_room(10))).again_at is None


@pytest.mark.parametrize(
    "failure", [ProviderUnavailable("away"), OutcomeUnknown("broken off"), RuntimeError("of its adapter")]
)
async def test_a_server_that_fails_changes_nothing_and_is_asked_again(desk, phone, failure):
    await wish(desk, SessionWish.OPEN)
    phone.states = [failure]
    seen = await watch(desk)
    assert (seen.state, bool(seen.detail)) == (SessionState.UNPAIRED, True)
    assert (await desk.db(claim_sessions, desk.worker, open_room(10))).again_at is not None


async def test_a_session_whose_looks_end_the_process_is_left_alone_for_long(desk, phone):
    await wish(desk, SessionWish.OPEN)
    await desk.db(execute, "UPDATE messaging_work SET tries = 5 WHERE kind = 4")
    assert "ended 5 times" in (await watch(desk)).detail
    assert phone.done == []


async def test_a_provider_without_phones_says_so(desk):
    await wish(desk, SessionWish.OPEN)
    assert "pairs no phones" in (await watch(desk)).detail


async def test_a_lost_message_is_found_by_what_the_provider_lists(desk, phone):
    message = await desk.db(send, desk.channel)
    phone.plan(OutcomeUnknown("The connection broke."))
    await desk.carry_out()
    assert (await desk.db(fresh, message)).unknown
    await desk.db(begin_searches, ["fake"])
    await desk.db(execute, "UPDATE messaging_work SET due_at = 0 WHERE kind = 5")
    batch = await desk.db(claim_searches, desk.worker, open_room(10))
    phone.found = Findings(matches=("found.1",))
    await Searches(desk.db, desk.worker, connections=desk.new_outbound()._connections).look(
        batch.claims[0], batch.moment
    )
    assert phone.sought.message.content.text.body == "hello"
    after = await desk.db(fresh, message)
    assert (after.status, after.provider_id) == (Status.SENT, "found.1")


async def test_a_provider_that_cannot_be_asked_leaves_it_unknown(desk):
    message = await desk.db(send, desk.channel)
    desk.provider.plan(OutcomeUnknown("The connection broke."))
    await desk.carry_out()
    await desk.db(begin_searches, ["fake"])
    await desk.db(execute, "UPDATE messaging_work SET due_at = 0 WHERE kind = 5")
    batch = await desk.db(claim_searches, desk.worker, open_room(10))
    await Searches(desk.db, desk.worker, connections=desk.new_outbound()._connections).look(
        batch.claims[0], batch.moment
    )
    assert (await desk.db(fresh, message)).unknown
    assert (await desk.db(claim_searches, desk.worker, open_room(10))).claims == []
