"""Answers of an assistant that the window closed on before they left: refused, left for later, or a template goes."""

from functools import partial

import msgspec
import pytest

from hailgate.assistant.contract import Usage
from hailgate.core.content import content_as_json
from hailgate.core.slots import open_room
from hailgate.core.status import Status
from hailgate.core.window import Outside
from hailgate.messaging.assistants.answers import AnswerRecord
from hailgate.messaging.channels.admin import set_outside_window
from hailgate.messaging.inbound.turns import Finished, claim_turns, finish_turns
from hailgate.messaging.models import Conversation, Direction
from messaging.acting import apply, change, messages, new_message, new_worker, wrote

pytestmark = pytest.mark.anyio

WINDOW_S = 3600.0


@pytest.fixture
async def late(desk, tenant, clock):
    """An answer that waits to be sent; the window closes on it."""
    desk.played.change(window_seconds=WINDOW_S)
    channel = await desk.db(lambda: desk.played.add_channel(tenant, "answered", "15550100009", "scripted"))

    def answer():
        apply(channel, wrote(channel, 1, body="Are you open?", at=clock.now))
        worker = new_worker()
        (turn,) = claim_turns(worker, open_room(10)).claims
        reply = new_message(
            channel, turn.to, "Yes.", sender="scripted", cause=turn.id, conversation_id=turn.conversation_id
        )
        record = AnswerRecord("answered", "", "scripted", None, False, Usage(), 0.1, reply.uid)
        finish_turns(worker, [Finished(turn, [reply], False, record)])
        clock.forward(WINDOW_S)

    await desk.db(answer)
    return channel


def outbound(channel):
    return messages(channel.tenant_id, direction=Direction.OUTBOUND)


def talk(channel) -> Conversation:
    return Conversation.objects.get(tenant_id=channel.tenant_id)


def choose(channel, choice, **template) -> None:
    assert set_outside_window(channel.tenant_id, channel.uid, choice, **template)


async def test_it_is_refused_where_nobody_chose_otherwise(desk, late):
    await desk.carry_out()
    (answer,) = await desk.db(outbound, late)
    assert (answer.status, answer.code) == (Status.FAILED, "window_closed")
    conversation = await desk.db(talk, late)
    assert conversation.answered_id == conversation.last_inbound_id
    assert desk.provider.tried == []


async def test_its_question_is_answered_once_the_person_writes_again(desk, late, clock):
    await desk.db(choose, late, Outside.WAIT)
    await desk.carry_out()
    (answer,) = await desk.db(outbound, late)
    assert (answer.code, "once the person writes again" in answer.detail) == ("window_closed", True)
    await desk.db(lambda: apply(late, wrote(late, 1, body="Hello?", at=clock.forward(60))))
    worker = await desk.db(new_worker)
    (turn,) = (await desk.db(claim_turns, worker, open_room(10))).claims
    assert [content_as_json(line.content)["text"]["body"] for line in turn.unanswered] == ["Are you open?", "Hello?"]


async def test_a_template_asks_them_to_once(desk, late):
    await desk.db(partial(choose, template="call_back", language="en_US"), late, Outside.TEMPLATE)
    await desk.carry_out()
    answer, template = await desk.db(outbound, late)
    assert (answer.code, template.kind, template.sender) == ("window_closed", "template", "scripted")
    called = msgspec.json.decode(template.content)["template"]
    assert (called["name"], called["language"]["code"]) == ("call_back", "en_US")
    await desk.carry_out()
    assert len(desk.provider.taken) == 1
    conversation = await desk.db(talk, late)
    assert conversation.answered_id < conversation.last_inbound_id


async def test_where_a_person_answers_by_now_nothing_is_put_off(desk, late):
    await desk.db(partial(choose, template="call_back", language="en_US"), late, Outside.TEMPLATE)
    await desk.db(lambda: change(talk(late), answered_by="person"))
    await desk.carry_out()
    assert len(await desk.db(outbound, late)) == 1


async def test_a_free_entry_point_lets_it_pass(desk, late, clock):
    await desk.db(lambda: change(talk(late), free_until=clock.now + 60))
    await desk.carry_out()
    (answer,) = await desk.db(outbound, late)
    assert answer.status == Status.SENT
