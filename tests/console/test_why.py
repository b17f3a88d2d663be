"""Why this answer: version, model, tokens, cost, tools, review and outcome, beside what an assistant sent."""

import pytest

from hailgate.messaging.assistants.prices import import_prices
from hailgate.messaging.assistants.registry import add_assistant
from hailgate.messaging.models import AssistantVersion, Conversation, Message, ToolCall, TurnAnswer
from messaging.acting import apply, send, wrote

TURN = 41
PRICES = "vendor,model,from,currency,input,output\nopenai,one,2020-01-01,USD,1,4\n"


@pytest.fixture
def conversation(channel) -> Conversation:
    apply(channel, wrote(channel, 1, body="Are you open?"))
    return Conversation.objects.get(tenant_id=channel.tenant_id)


@pytest.fixture
def answer(channel, conversation) -> Message:
    return send(channel, 1, "Until six.", sender="clinic", cause=TURN)


def record(conversation, **changes) -> None:
    version = AssistantVersion.objects.filter(tenant_id=conversation.tenant_id).first()
    given = {
        "tenant_id": conversation.tenant_id, "conversation_id": conversation.pk, "turn": TURN,
        "channel_id": conversation.channel_id, "assistant": "clinic", "version_id": version and version.pk,
        "conversation_version": 1, "outcome": "answered", "disclosed": True, "vendor": "openai", "model": "one",
        "calls": 2, "input_tokens": 9_000, "output_tokens": 1_000, "seconds": 1.5, "created_at": 1_790_000_000.0,
    }  # fmt: skip
    TurnAnswer.objects.create(**{**given, **changes})


def called(conversation, ordinal, name, **changes) -> None:
    given = {
        "tenant_id": conversation.tenant_id, "conversation_id": conversation.pk, "channel_id": conversation.channel_id,
        "turn": TURN, "mode": "reads", "state": "done", "created_at": 1_790_000_000.0,
    }  # fmt: skip
    ToolCall.objects.create(**{**given, "ordinal": ordinal, "name": name, **changes})


def test_it_tells_everything_that_is_on_record(agent, channel, conversation, answer) -> None:
    add_assistant(channel.tenant_id, "clinic", {"vendor": "openai", "model": "one", "api_key": "key-of-the-vendor"})
    import_prices(channel.tenant_id, "models", PRICES)
    record(conversation, note="cut")
    called(conversation, 0, "free_times")
    called(conversation, 1, "book", mode="writes", state="asked")
    page = agent.text(f"messages/{answer.uid.hex}/why", part=True)
    for words in (
        "clinic", "version 1", "openai one", "asked 2 times", "10000", "9000 read, 1000 written", "USD", "1.5 s",
        "free_times", "read", "book", "waits for the person&#x27;s button", "It was too long", "Answered",
        "It said that it is automated.",
    ):  # fmt: skip
        assert words in page.replace(",000", "000"), words
    assert "key-of-the-vendor" not in page


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("", "Nothing was objected to."),
        ("link", "a link that is not allowed"),
        ("write_done", "and it was done"),
        ("flood_of_contact", "a rule of floods"),
        ("model_unauthorized", "refused the key"),
        ("tokens_per_contact_day", "No room in a budget: tokens_per_contact_day."),
        ("another_word", "another_word"),
    ],
)
def test_the_review_is_told_in_words(agent, conversation, answer, note, words) -> None:
    record(conversation, note=note)
    assert words in agent.text(f"messages/{answer.uid.hex}/why", part=True)


def test_no_model_and_no_price_are_said(agent, conversation, answer) -> None:
    record(conversation)
    assert "the model has no price" in agent.text(f"messages/{answer.uid.hex}/why", part=True)
    TurnAnswer.objects.filter(tenant_id=conversation.tenant_id).update(calls=0)
    page = agent.text(f"messages/{answer.uid.hex}/why", part=True)
    assert "None was asked" in page
    assert "Tokens" not in page


def test_it_is_offered_for_what_an_assistant_sent_alone(agent, channel, conversation, answer) -> None:
    send(channel, 1, "From a program.")
    page = agent.text(f"conversations/{conversation.uid.hex}", part=True)
    assert page.count(f"messages/{answer.uid.hex}/why") == page.count("/why") == 1
