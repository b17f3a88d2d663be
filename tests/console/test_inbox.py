"""The inbox as an operator has it: found, read, answered, handed over; and nothing of anybody else's."""

import re

import pytest

from console.conftest import Browser
from hailgate.accounts.seal import Sealer, use_sealer
from hailgate.core.content import Unsupported
from hailgate.core.status import Status
from hailgate.messaging.models import PERSON, Attempt, Contact, Conversation, Message, Work
from messaging import acting

BODY = {"draft": "d1", "body": "We close at *six*."}


def rows(page: str) -> list[str]:
    return re.findall(r'<li id="row-([0-9a-f]{32})"', page)


def thread(page: str) -> str:
    """Without the list beside it."""
    return page.partition('<article class="thread"')[2]


def conversation_with(channel, person: int) -> Conversation:
    number = acting.phone(person).value
    return Conversation.objects.get(tenant_id=channel.tenant_id, contact__addresses__value=number)


@pytest.fixture
def asked(channel) -> Conversation:
    """Ada has just written, and nobody has looked."""
    acting.apply(channel, acting.wrote(channel, 1, body="When do you close?", at=0.0))
    return conversation_with(channel, 1)


# --- the list ---------------------------------------------------------------------------------------------------------


def test_the_newest_conversation_is_on_top(owner, channel) -> None:
    for person in (1, 2, 3, 1):
        acting.apply(channel, acting.wrote(channel, person))
    wanted = [conversation_with(channel, person).uid.hex for person in (1, 3, 2)]
    assert rows(owner.text("conversations")) == wanted


def test_a_row_says_who_wrote_what_and_that_it_is_new(owner, asked) -> None:
    page = owner.text("conversations")
    assert "When do you close?" in page
    assert ">Ada<" in page
    assert 'data-count="1"' in page
    assert 'class="row unread"' in page


def test_who_opens_a_conversation_is_on_record(agent, adam, told) -> None:
    from hailgate.accounts.models import AuditEntry

    agent.get(f"conversations/{told.conversation.uid}/messages")  # the page looks again by itself
    assert not AuditEntry.objects.filter(action="conversation.opened").exists()
    agent.get(f"conversations/{told.conversation.uid}")
    entry = AuditEntry.objects.get(action="conversation.opened")
    assert (entry.actor, entry.subject) == (adam.uid.hex, f"conversation:{told.conversation.uid}")
    assert entry.tenant_id == told.conversation.tenant_id


def test_who_opens_a_conversation_has_seen_it_for_the_whole_team(owner, agent, asked) -> None:
    owner.text(f"conversations/{asked.uid.hex}")
    assert 'data-count="0"' in agent.text("conversations")
    assert rows(agent.text("conversations/list", {"show": "unread"})) == []


def test_a_conversation_that_the_assistant_answers_is_not_unread(owner, channel) -> None:
    acting.change_channel(channel, answered_by="scripted")
    acting.apply(channel, acting.wrote(channel, 1))
    page = owner.text("conversations")
    assert "row unread" not in page
    assert "Answered by scripted" in page


def test_a_search_for_what_no_database_stores_finds_nothing(owner, channel) -> None:
    assert rows(owner.text("conversations/list", {"q": "\0"})) == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ada", [1]),
        ("LOVE", [1]),
        ("0000002", [2]),
        ("+1 555 000-0002", [2]),
        ("grace", [2]),
        ("%", []),
        ("x", []),
        ("00", []),
    ],
)
def test_a_search_finds_by_name_and_number(owner, channel, words, found) -> None:
    acting.apply(channel, acting.wrote(channel, 1, name="Ada Lovelace"))
    acting.apply(channel, acting.wrote(channel, 2, name="Grace Hopper"))
    assert rows(owner.text("conversations/list", {"q": words})) == [
        conversation_with(channel, person).uid.hex for person in found
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("João Conceição", "joao conceicao"),
        ("Joao", "João"),
        ("ÁGATA", "agata"),
        ("Agata", "ÁG"),
        ("Jose\u0301", "jos\u00e9"),  # an accent that is a character of its own
        ("Søren Łukasz", "soren lukasz"),
        ("\uff26ull", "full"),
        ("Ἀθηνᾶ", "αθηνα"),
        ("100%", "0%"),
    ],
)
def test_a_search_finds_with_and_without_accents(owner, channel, name, words) -> None:
    acting.apply(channel, acting.wrote(channel, 1, name=name), acting.wrote(channel, 2, name="Other"))
    assert rows(owner.text("conversations/list", {"q": words})) == [conversation_with(channel, 1).uid.hex]
    Contact.objects.filter(tenant_id=channel.tenant_id, name=name).update(name="", own_name=name)
    assert rows(owner.text("conversations/list", {"q": words})) == [conversation_with(channel, 1).uid.hex]


def test_where_content_is_sealed_a_whole_number_still_finds(owner, channel) -> None:
    from hailgate.settings import ENV

    use_sealer(Sealer(ENV.sealing_keys, content=True))
    try:
        acting.apply(channel, acting.wrote(channel, 1, name="Ada"))
        (uid,) = rows(owner.text("conversations/list", {"q": "+1 555 0000001"}))
        assert rows(owner.text("conversations/list", {"q": "sealed"})) == []
        assert "Ada" in owner.text(f"conversations/{uid}")
    finally:
        use_sealer(Sealer(ENV.sealing_keys, content=ENV.seal_content))


def test_filters_show_what_is_mine_and_what_the_assistant_has(owner, agent, channel) -> None:
    for person in (1, 2, 3):
        acting.apply(channel, acting.wrote(channel, person))
    mine, theirs, assistants = (conversation_with(channel, person).uid.hex for person in (1, 2, 3))
    owner.post(f"conversations/{mine}/take-over")
    agent.post(f"conversations/{theirs}/take-over")
    owner.post(f"conversations/{assistants}/give-back")
    shown = {kind: rows(owner.text("conversations/list", {"show": kind})) for kind in ("mine", "assistant", "nonsense")}
    assert shown == {"mine": [mine], "assistant": [assistants], "nonsense": [assistants, theirs, mine]}


def test_pages_of_the_list_hold_everybody_once(owner, channel, monkeypatch) -> None:
    monkeypatch.setattr("hailgate.console.inbox.queries.PAGE", 3)
    for person in range(1, 9):
        acting.apply(channel, acting.wrote(channel, person))
    seen, query = [], {}
    while True:
        page = owner.text("conversations/list", query)
        seen += rows(page)
        more = re.search(r"list\?before=([^\"]+)\"", page)
        if not more:
            break
        query = {"before": more[1].replace("%3A", ":")}
    assert len(seen) == len(set(seen)) == 8


@pytest.mark.parametrize("before", ["1", "1:x", "x", "9" * 300, "é"])
def test_a_place_that_was_not_given_out_is_the_beginning(owner, asked, before) -> None:
    assert rows(owner.text("conversations/list", {"before": before})) == [asked.uid.hex]


# --- the thread -------------------------------------------------------------------------------------------------------


def test_a_thread_shows_both_sides_with_ticks_and_troubles(owner, told) -> None:
    page = thread(owner.text(f"conversations/{told.conversation.uid.hex}"))
    assert page.index("Are you open?") < page.index("Until six.") < page.index("See you.")
    assert 'class="tick delivered"' in page
    assert 'class="tick queued"' in page
    assert "Message of kind “image”" in page


def test_a_failed_message_says_why(owner, told) -> None:
    page = owner.text(f"conversations/{acting.conversation_of(told.dead).uid.hex}")
    assert 'class="tick failed"' in page
    assert "this message for good. Why." in page


def test_an_unknown_one_is_not_called_failed(owner, told) -> None:
    page = owner.text(f"conversations/{acting.conversation_of(told.parked).uid.hex}")
    assert 'class="tick unknown"' in page
    assert "it may or may not have arrived" in page


def test_an_answer_shows_what_it_answers(owner, channel) -> None:
    acting.apply(channel, acting.wrote(channel, 1, body="Which day?", message_id="wamid.q"))
    acting.apply(channel, acting.wrote(channel, 1, body="I meant this", context_id="wamid.q"))
    page = owner.text(f"conversations/{conversation_with(channel, 1).uid.hex}")
    assert re.search(r"<blockquote[^>]*><a href=\"#m-\w+\"><strong>Ada</strong> Which day\?</a></blockquote>", page)


def test_older_messages_come_page_by_page(owner, channel, monkeypatch) -> None:
    monkeypatch.setattr("hailgate.console.inbox.queries.THREAD", 4)
    for number in range(10):
        acting.apply(channel, acting.wrote(channel, 1, body=f"message {number}."))
    path = f"conversations/{conversation_with(channel, 1).uid.hex}"
    page = thread(owner.text(path))
    said = re.findall(r"message (\d)\.", page)
    while more := re.search(r"messages\?before=([^\"]+)\"", page):
        page = owner.text(f"{path}/messages", {"before": more[1].replace("%3A", ":")}, part=True)
        said = re.findall(r"message (\d)\.", page) + said
    assert said == [str(number) for number in range(10)]


def test_a_page_that_is_open_keeps_its_first_message(owner, channel, monkeypatch) -> None:
    monkeypatch.setattr("hailgate.console.inbox.queries.THREAD", 2)
    for number in range(3):
        acting.apply(channel, acting.wrote(channel, 1, body=f"message {number}."))
    path = f"conversations/{conversation_with(channel, 1).uid.hex}"
    since = re.search(r'name="since" value="([^"]+)"', owner.text(path))[1]
    acting.apply(channel, acting.wrote(channel, 1, body="message 3."))
    refreshed = owner.text(f"{path}/messages", {"since": since}, part=True)
    assert re.findall(r"message (\d)\.", refreshed) == ["1", "2", "3"]


def test_a_timeline_tells_every_step(owner, told) -> None:
    page = owner.text(f"messages/{told.delivered.uid.hex}/timeline", part=True)
    steps = re.findall(r'<li class="(\w+)">', page)
    assert steps == ["queued", "sending", "sent", "delivered"]
    dead = owner.text(f"messages/{told.dead.uid.hex}/timeline", part=True)
    assert "attempt 1" in dead
    assert "this message for good. Why." in dead


# --- answering --------------------------------------------------------------------------------------------------------


def test_an_answer_is_queued_shown_and_marked_as_its_operators(owner, olivia, asked) -> None:
    answer = owner.post(f"conversations/{asked.uid.hex}/reply", BODY)
    assert answer.status_code == 200
    assert answer["HX-Trigger-After-Swap"] == "replied"
    page = answer.content.decode()
    assert "We close at <strong>six</strong>." in page
    assert ">Olivia<" in page
    message = Message.objects.get(tenant_id=asked.tenant_id, direction=2)
    assert (message.sender, message.status) == ("operator", Status.QUEUED)
    assert olivia.uid.hex in message.metadata
    assert acting.work_of(message) is not None
    assert acting.fresh(asked).operator_id == olivia.pk


def test_a_form_that_is_sent_twice_is_one_message(owner, asked) -> None:
    for _ in range(3):
        assert owner.post(f"conversations/{asked.uid.hex}/reply", BODY).status_code == 200
    assert Work.objects.filter(tenant_id=asked.tenant_id).count() == 1


def test_an_answer_goes_to_where_the_person_last_wrote_from(owner, channel) -> None:
    from hailgate.core.address import Address, AddressKind

    business = Address(AddressKind.BSUID, "US.1")
    acting.apply(channel, acting.wrote(channel, 1, business))
    acting.apply(channel, acting.wrote(channel, business))
    conversation = Conversation.objects.get(tenant_id=channel.tenant_id)
    owner.post(f"conversations/{conversation.uid.hex}/reply", BODY)
    sent = Message.objects.get(tenant_id=channel.tenant_id, direction=2)
    assert (sent.address_kind, sent.address, sent.conversation_id) == ("bsuid", "US.1", conversation.pk)


@pytest.mark.parametrize(
    ("body", "why"),
    [("", "white space"), (" \n ", "white space"), ("x" * (4 * 4096 + 1), "too long for 4 messages"), ("a\0b", "NUL")],
)
def test_what_cannot_be_sent_is_refused_in_words(owner, asked, body, why) -> None:
    answer = owner.post(f"conversations/{asked.uid.hex}/reply", {"draft": "d", "body": body})
    assert answer.status_code == 422
    assert why in answer.content.decode()
    assert not Work.objects.filter(tenant_id=asked.tenant_id).exists()


def test_after_a_day_of_silence_the_window_is_closed(owner, asked) -> None:
    acting.change(asked, last_inbound_at=acting.fresh(asked).created_at.timestamp() - 90_000)
    page = owner.text(f"conversations/{asked.uid.hex}")
    assert 'data-open="no"' in page
    refused = owner.post(f"conversations/{asked.uid.hex}/reply", BODY)
    assert refused.status_code == 422
    assert "window is closed" in refused.content.decode()
    assert not Message.objects.filter(tenant_id=asked.tenant_id, direction=2).exists()


def test_answering_takes_the_conversation_over_from_the_assistant(owner, olivia, channel) -> None:
    acting.change_channel(channel, answered_by="scripted")
    acting.apply(channel, acting.wrote(channel, 1))
    conversation = conversation_with(channel, 1)
    assert conversation.answered_by == "scripted"
    owner.post(f"conversations/{conversation.uid.hex}/reply", BODY)
    taken = acting.fresh(conversation)
    assert (taken.answered_by, taken.operator_id, taken.version) == (PERSON, olivia.pk, conversation.version + 1)


def test_take_over_and_give_back(owner, olivia, asked) -> None:
    path = f"conversations/{asked.uid.hex}"
    given = owner.post(f"{path}/give-back").content.decode()
    assert "Assistant answers" in given
    assert acting.fresh(asked).answered_by == "scripted"
    taken = owner.post(f"{path}/take-over").content.decode()
    assert "Give back" in taken
    assert (acting.fresh(asked).answered_by, acting.fresh(asked).operator_id) == (PERSON, olivia.pk)


def test_a_draft_is_previewed_as_it_will_look(owner) -> None:
    answer = owner.post("conversations/preview", {"body": "*Hello* <b>"})
    assert "<strong>Hello</strong> &lt;b&gt;" in answer.content.decode()


# --- nobody else's ----------------------------------------------------------------------------------------------------


PATHS = [
    ("get", "conversations/{conversation}"),
    ("get", "conversations/{conversation}/messages"),
    ("post", "conversations/{conversation}/reply"),
    ("post", "conversations/{conversation}/take-over"),
    ("post", "conversations/{conversation}/give-back"),
    ("get", "messages/{message}/timeline"),
    ("get", "events/{message}"),
    ("post", "channels/{channel}/resume"),
]


@pytest.mark.parametrize(("method", "path"), PATHS)
def test_what_is_foreign_is_answered_like_what_is_not_there(eve: Browser, told, channel, method, path) -> None:
    theirs = {"conversation": told.conversation.uid.hex, "message": told.delivered.uid.hex, "channel": channel.uid.hex}
    nobodys = dict.fromkeys(theirs, "0" * 32)
    garbled = dict.fromkeys(theirs, "..%2f")
    before = Conversation.objects.filter(tenant_id=told.conversation.tenant_id).values_list("version", "operator_id")
    unchanged = list(before)
    answers = [getattr(eve, method)(path.format(**each), dict(BODY)) for each in (theirs, nobodys, garbled)]
    assert {answer.status_code for answer in answers} == {404}
    assert answers[0].content == answers[1].content
    assert list(before.all()) == unchanged


def test_a_strangers_pages_are_empty(eve: Browser, told) -> None:
    pages = [eve.text(path) for path in ("conversations", "dead-letters", "events", "channels", "overview")]
    pages.append(eve.text("conversations/list", {"q": "1555", "show": "all", "tenant": "1", "tenant_id": "1"}))
    for page in pages:
        assert "Ada" not in page
        assert "15550000001" not in page
        assert "front desk" not in page


def test_a_stranger_revives_nothing(eve: Browser, told) -> None:
    eve.post("dead-letters/revive", {"message": [told.dead.uid.hex, told.parked.uid.hex]})
    assert Attempt.objects.filter(tenant_id=told.dead.tenant_id, message_id=told.dead.pk).count() == 1
    assert acting.work_of(told.dead).state == 4


def test_what_a_provider_calls_a_kind_is_text(owner, channel) -> None:
    import msgspec

    strange = msgspec.structs.replace(acting.wrote(channel, 1), content=Unsupported("<img src=x>", b"{}"))
    acting.apply(channel, strange)
    page = owner.text(f"conversations/{conversation_with(channel, 1).uid.hex}")
    assert "<img src=x>" not in page
    assert "&lt;img src=x&gt;" in page
