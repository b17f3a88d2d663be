"""Files for models: only for vendors that the tenant allows, bounded, and what is left out is named."""

import pytest

from hailgate.assistant.contract import ConversationLine, Question, SentFile
from hailgate.assistant.fake_models import FakeModels
from hailgate.assistant.files import LARGEST, LARGEST_TOGETHER, MOST_FILES, judge, wants_files
from hailgate.assistant.model_assistant import ModelAssistant
from hailgate.assistant.model_protocol import ModelFile, ModelReply
from hailgate.assistant.settings import parse_settings
from hailgate.core.errors import AssistantError

BASE = {"vendor": "openai", "model": "one", "api_key": "k"}
SECOND = {"second_vendor": "anthropic", "second_model": "two", "second_api_key": "k"}
PICTURE = SentFile(1, "image/png", b"a picture")
PDF = SentFile(1, "application/pdf", b"a document")


def sent(kind="image", text="What is this?"):
    return ConversationLine(by_person=True, kind=kind, text=text, id=1)


async def shown(*plan, line=None, files=(PICTURE,), **changes):
    """What each call was shown: the words, and the files."""
    models = FakeModels(*(plan or (ModelReply(id=0, reply="A rash."),)))
    assistant = ModelAssistant("clinic", parse_settings({**BASE, **changes}), models, clock=lambda: 0.0)
    await assistant.compose(Question((line or sent(),), 1, files=files))
    return [(call.lines[-1].text, call.files) for call in models.calls]


async def test_a_picture_is_shown_to_a_vendor_that_the_tenant_allows():
    assert await shown(file_vendors="openai") == [
        ("What is this?\n[image: attached]", (ModelFile("image/png", b"a picture"),))
    ]


async def test_nobody_sees_any_file_by_default_and_the_context_says_so():
    assert await shown() == [("What is this?\n[image: not shown, not allowed]", ())]
    assert await shown(files=()) == [("What is this?\n[image: not shown]", ())]


async def test_a_second_vendor_that_is_not_allowed_is_told_of_it_alone():
    failed = AssistantError("It failed.", code="model_unauthorized")
    calls = await shown(failed, ModelReply(id=0, reply="Yes."), file_vendors="openai", **SECOND)
    assert [bool(files) for _, files in calls] == [True, False]
    assert calls[1][0] == "What is this?\n[image: not shown, not allowed]"


async def test_a_vendor_that_reads_no_documents_is_shown_none():
    local = {"vendor": "compatible", "base_url": "http://127.0.0.1:1/v1"}
    ((text, files),) = await shown(line=sent("document"), files=(PDF,), file_vendors="compatible", **local)
    assert (text, files) == ("What is this?\n[document: not shown, this model reads no documents]", ())


async def test_why_a_file_was_left_out_is_told():
    ((text, files),) = await shown(files=(SentFile(1, "image/png", left_out="too large"),), file_vendors="openai")
    assert (text, files) == ("What is this?\n[image: not shown, too large]", ())


async def test_a_reply_is_shortened_without_showing_the_picture_again():
    long = ModelReply(id=0, reply="A sentence here. " * 60)
    calls = await shown(long, ModelReply(id=0, reply="In short."), file_vendors="openai", reply_limit=200)
    assert [bool(files) for _, files in calls] == [True, False]


@pytest.mark.parametrize(
    ("mime", "size", "so_far", "count", "why"),
    [
        ("image/jpeg", LARGEST, 0, 0, ""),
        ("application/pdf", 10, 0, MOST_FILES - 1, ""),
        ("image/jpeg", LARGEST + 1, 0, 0, "too large"),
        ("image/jpeg", 10, LARGEST_TOGETHER, 1, "too large"),
        ("image/jpeg", 10, 0, MOST_FILES, "too many files"),
        ("video/mp4", 10, 0, 0, "no picture and no PDF"),
        ("image/svg+xml", 10, 0, 0, "no picture and no PDF"),
        ("application/zip", 10, 0, 0, "no picture and no PDF"),
    ],
)
def test_what_may_be_shown_has_bounds(mime, size, so_far, count, why):
    assert judge(mime, size, so_far, count) == why


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, False),
        ({"file_vendors": "openai"}, True),
        ({"file_vendors": "anthropic"}, False),
        ({"file_vendors": "anthropic", **SECOND}, True),
    ],
)
def test_files_are_read_only_where_a_model_of_its_may_see_them(changes, wanted):
    assert wants_files(parse_settings({**BASE, **changes})) == wanted
