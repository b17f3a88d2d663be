"""Links of ours to one attempt's file: they open that file alone, and end in every way that they should."""

import pytest

from hailgate.core.errors import NotFound
from hailgate.core.status import Status
from hailgate.messaging.files.attachments import add_upload
from hailgate.messaging.files.storage import WrittenFile
from hailgate.messaging.models import Attachment, AttachmentState, FileLink, Message
from hailgate.messaging.outbound.file_links import PATH, make_file_link, open_file_link
from messaging.acting import Clock, send

LIFE_S = 36_000.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def stored(tenant):
    return add_upload(tenant.id, WrittenFile("ab/cd", "key", "image/png", 10, "0" * 64), "x.png")


@pytest.fixture
def message(channel, clock):
    return send(channel)


def linked(message, stored, attempt=1) -> str:
    return make_file_link(message.id, attempt, stored, LIFE_S).removeprefix(f"{PATH}/")


def opens(token: str) -> bool:
    try:
        return open_file_link(token, counts=True).name == "x.png"
    except NotFound:
        return False


def test_a_link_opens_its_file_and_counts(message, stored):
    token = linked(message, stored)
    assert len(token) == 43
    assert token not in str(FileLink.objects.filter(tenant_id=stored.tenant_id).values())
    assert [opens(token), opens(token)] == [True, True]
    open_file_link(token, counts=False)
    assert FileLink.objects.get(tenant_id=stored.tenant_id).fetches == 2


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "é" * 43, "x" * 10_000, "../etc", "\0"])
def test_who_guesses_learns_nothing(message, stored, token):
    linked(message, stored)
    with pytest.raises(NotFound) as guessed:
        open_file_link(token, counts=True)
    assert (guessed.value.detail, guessed.value.code) == (NotFound().detail, NotFound().code)


def test_a_link_ends_with_its_time(message, stored, clock):
    token = linked(message, stored)
    clock.forward(LIFE_S - 1)
    assert opens(token)
    clock.forward(2)
    assert not opens(token)


@pytest.mark.parametrize("status", Status)
def test_a_link_ends_with_a_final_status(message, stored, status):
    token = linked(message, stored)
    Message.objects.filter(tenant_id=stored.tenant_id, id=message.id).update(status=status.value)
    assert opens(token) is (status in {Status.QUEUED, Status.SENT})


def test_a_link_ends_with_its_file(message, stored):
    token = linked(message, stored)
    Attachment.objects.filter(tenant_id=stored.tenant_id).update(state=AttachmentState.REMOVED)
    assert not opens(token)


def test_another_attempt_ends_the_link_of_the_one_before(message, stored):
    first = linked(message, stored, 1)
    beside = linked(message, stored, 1)
    assert opens(first)
    assert opens(beside)
    second = linked(message, stored, 2)
    assert [opens(first), opens(beside), opens(second)] == [False, False, True]
