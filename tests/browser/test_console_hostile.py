"""Whatever people, providers and operators call things, every view of the console shows it and never obeys it.

300 texts stand in every place where somebody's words are shown. A browser may then open no dialog, ask for nothing but
the console's own pages, scripts and styles, and has nothing to complain of: no policy was needed to stop anything.
"""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest
from playwright.async_api import Page

from browser.conftest import OpenPage, Witness
from browser.hostile import SHORT_TEXTS as TEXTS
from browser.hostile import WRAPS

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(480)]

WIDE = {"width": 1280, "height": 800}
ALL = 20_000  # rows of a page: nothing waits behind "older"
FOREIGN = ("script", "iframe", "object", "embed", "link", "style", "base", "meta", "math", "audio[autoplay]", "details")
# What a page of ours may ask for, by itself or because somebody acts on it.
OWN = {
    "document": ("/console/", "/admin/"),
    "xhr": ("/console/",),
    "fetch": ("/console/",),
    "eventsource": ("/console/live",),
    "script": ("/static/",),
    "stylesheet": ("/static/",),
    "image": ("/icon.svg", "/static/"),
    "other": ("/icon.svg", "/favicon.ico"),
}


class Clinic(NamedTuple):
    operator: Any
    conversation: Any
    another: Any
    message: Any
    event: Any


def said(text: str) -> Iterator[dict[str, Any]]:
    """What a person can send, with the text wherever one can stand."""
    file = {"id": "1", "mime_type": text, "caption": text, "filename": text}
    card = {
        "name": {"formatted_name": text}, "phones": [{"phone": text, "type": text}], "emails": [{"email": text}],
        "urls": [{"url": text}], "org": {"company": text, "title": text}, "addresses": [{"street": text}],
    }  # fmt: skip
    choice = {"id": text, "title": text, "description": text}
    yield {"type": "text", "text": {"body": text}}
    yield {"type": "image", "image": file}
    yield {"type": "document", "document": file}
    yield {"type": "location", "location": {"latitude": 1.0, "longitude": 1.0, "name": text, "address": text}}
    yield {"type": "contacts", "contacts": [card]}
    yield {"type": "button", "button": {"text": text, "payload": text}}
    yield {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": choice}}
    yield {"type": "order", "order": {"text": text, "product_items": [{"product_retailer_id": text, "currency": text}]}}
    yield {"type": "unsupported", "unsupported": {"kind": text, "raw": text}}


def asked(text: str) -> Iterator[dict[str, Any]]:
    """What we send, beside what a person can."""
    words = {"text": text}
    header = {"type": "text", "text": text}
    yield {"type": "reaction", "reaction": {"message_id": "x", "emoji": text}}
    buttons = {"buttons": [{"type": "reply", "reply": {"id": text, "title": text}}]}
    question = {"type": "button", "header": header, "body": words, "footer": words, "action": buttons}
    yield {"type": "interactive", "interactive": question}
    rows = {"button": text, "sections": [{"title": text, "rows": [{"id": text, "title": text, "description": text}]}]}
    yield {"type": "interactive", "interactive": {"type": "list", "body": words, "action": rows}}
    link = {"name": "cta_url", "parameters": {"display_text": text, "url": text}}
    yield {"type": "interactive", "interactive": {"type": "cta_url", "body": words, "action": link}}
    components = [{"type": "body", "parameters": [{"type": "text", "text": text}]}]
    yield {"type": "template", "template": {"name": text, "language": {"code": text}, "components": components}}


@pytest.fixture
def clinic(channel, tenant, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    """A clinic where everybody and everything is called something hostile."""
    from hailgate.accounts.models import Tenant
    from hailgate.accounts.operators import add_operator
    from hailgate.console import admin, paging
    from hailgate.console.inbox import queries as inbox

    for module, name in ((inbox, "PAGE"), (inbox, "THREAD"), (inbox, "LONGEST_THREAD"), (paging, "PAGE")):
        monkeypatch.setattr(module, name, ALL)
    monkeypatch.setattr(admin.ReadOnly, "list_per_page", 500)
    operator = add_operator(tenant.pk, "olivia@clinic.example", name=TEXTS[7], installation_owner=True)
    Tenant.objects.filter(id=tenant.pk).update(name=TEXTS[4])
    conversations = make_people(channel)
    message = make_thread(channel, conversations[0])
    make_dead_letters(channel, conversations)
    make_channels(channel)
    make_audit(channel)
    return Clinic(operator, *conversations[:2], message, make_events(channel))


def make_people(channel) -> list[Any]:
    """One for each text, whose name it is. The first one also has all of the texts as addresses."""
    from hailgate.messaging.models import Contact, ContactAddress, Conversation

    common = {"tenant_id": channel.tenant_id, "created_at": time.time()}
    people = [Contact(**common, name=text, origin=f"o{n}") for n, text in enumerate(TEXTS)]
    Contact.objects.bulk_create(people)
    tenant = {"tenant_id": channel.tenant_id}
    ContactAddress.objects.bulk_create([
        ContactAddress(**tenant, contact=people[0], kind="bsuid", value=text, digest=f"d{n}")
        for n, text in enumerate(TEXTS)
    ])  # fmt: skip
    conversations = [
        Conversation(
            **common, pk=n, channel_id=channel.id, contact=person, answered_by="person" if n % 3 else TEXTS[n - 1][:30],
            last_message_at=time.time(), last_inbound_at=time.time(), last_message_id=n, last_inbound_id=n,
        )
        for n, person in enumerate(people, start=1)
    ]  # fmt: skip
    Conversation.objects.bulk_create(conversations)
    rows = [
        _message(channel, each, {"type": "text", "text": {"body": text}}, pk=each.pk, provider_id=f"q{each.pk}")
        for each, text in zip(conversations, TEXTS, strict=True)
    ]
    type(rows[0]).objects.bulk_create(rows)
    return conversations


def make_thread(channel, conversation) -> Any:
    """Every text in every kind of message, quoted, written by operators of that name; and one whose story they tell."""
    from hailgate.accounts.models import Operator
    from hailgate.messaging.models import Amendment, Attachment, AttachmentState, Message, Receipt
    from hailgate.messaging.store.ids import uuid7

    operators = [Operator(email=f"{n}@x.example", name=text, created_at=0.0) for n, text in enumerate(TEXTS)]
    Operator.objects.bulk_create(operators)
    rows = []
    for number, text in enumerate(TEXTS):
        wrote_it = {"sender": "operator", "metadata": f'{{"operator":"{operators[number].uid.hex}"}}'}
        theirs, ours = [*said(text)], [*asked(text)]
        # Every text as a text; of the other kinds every third, so that each kind has each core in four wraps.
        theirs, ours = theirs[:1] + theirs[1 + number % 3 :: 3], ours[number % 3 :: 3]
        rows += [_message(channel, conversation, each, context_id=f"q{number + 1}") for each in theirs]
        rows += [_message(channel, conversation, each, direction=2, **wrote_it) for each in ours]
        rows.append(
            _message(channel, conversation, rows[0].content, direction=2, sender=text[:30], status=2, detail=text)
        )
    for number, row in enumerate(rows):
        row.pk = 1_000 + number
    Message.objects.bulk_create(rows)
    tenant = {"tenant_id": channel.tenant_id}
    now = time.time()
    Attachment.objects.bulk_create([
        Attachment(
            **tenant, uid=uuid7(), channel_id=channel.id, message_id=row.pk, kind=row.kind, name=text, detail=text,
            state=AttachmentState.FAILED if number % 2 else AttachmentState.REMOVED, mime=text, created_at=now,
        )
        for number, (row, text) in enumerate(zip([row for row in rows if row.kind == "document"], TEXTS, strict=False))
    ])  # fmt: skip
    Amendment.objects.bulk_create([
        Amendment(
            **tenant, channel_id=channel.id, provider_id="x", message_id=row.pk, change="reaction", author_kind="bsuid",
            author=text, author_digest=str(n), content=text, at=now, received_at=now,
        )
        for n, (row, text) in enumerate(zip(rows[:: len(rows) // len(TEXTS)], TEXTS, strict=False))
    ])  # fmt: skip
    story = [
        Receipt(**tenant, message_id=rows[0].pk, event=text[:30], code=text[:60], detail=text, at=now) for text in TEXTS
    ]
    Receipt.objects.bulk_create(story)
    return rows[0]


def make_dead_letters(channel, conversations) -> None:
    from hailgate.messaging.models import Message, Work, WorkState

    rows = [
        _message(channel, each, {"type": "text", "text": {"body": text}}, direction=2, status=2, pk=100_000 + each.pk)
        for each, text in zip(conversations, TEXTS, strict=True)
    ]
    Message.objects.bulk_create(rows)
    Work.objects.bulk_create([
        Work(
            tenant_id=channel.tenant_id, kind=1, key=row.conversation_id, channel_id=channel.id, message_id=row.pk,
            state=WorkState.DEAD, code=text[:60], detail=text, created_at=time.time(),
        )
        for row, text in zip(rows, TEXTS, strict=True)
    ])  # fmt: skip


def make_channels(channel) -> None:
    from hailgate.messaging.models import Channel

    common = {"tenant_id": channel.tenant_id, "provider": "cloud", "number": "1", "config": "", "rate_interval": 1.0}
    Channel.objects.bulk_create([
        Channel(
            **common, name=text, account=f"a{n}", rate_burst=1, created_at=0.0, answered_by=text[:30],
            paused_at=time.time(), paused_reason=text,
        )
        for n, text in enumerate(TEXTS)
    ])  # fmt: skip


def make_audit(channel) -> None:
    """Who did what: people and things under their names."""
    from hailgate.accounts.models import AuditEntry

    AuditEntry.objects.bulk_create([
        AuditEntry(
            tenant_id=channel.tenant_id, at=time.time(), actor_kind="operator", name=text, action="channel.paused",
            subject=text, detail=text,
        )
        for text in TEXTS
    ])  # fmt: skip


def make_events(channel) -> Any:
    """One for each text as its outcome, and one that brought them all."""
    from hailgate.messaging.models import EventState, Hook, WebhookEvent
    from hailgate.messaging.store.ids import uuid7

    common = {"tenant_id": channel.tenant_id, "hook": Hook.objects.get(tenant_id=channel.tenant_id), "headers": "{}"}
    common |= {"received_at": time.time(), "state": EventState.DEAD}
    events = [WebhookEvent(**common, uid=uuid7(), body=text.encode(), outcome=text) for text in TEXTS]
    events.append(WebhookEvent(**common, uid=uuid7(), body=msgspec.json.encode(TEXTS)))
    WebhookEvent.objects.bulk_create(events)
    return events[-1]


def _message(channel, conversation, content: dict[str, Any] | str, **given: Any) -> Any:
    from hailgate.messaging.models import Message
    from hailgate.messaging.store.ids import uuid7

    kind = content["type"] if isinstance(content, dict) else "text"
    stored = msgspec.json.encode(content).decode() if isinstance(content, dict) else content
    given = {"direction": 1, "sender": "contact", "author_kind": "", "author": ""} | given
    return Message(
        uid=uuid7(), tenant_id=channel.tenant_id, conversation_id=conversation.pk, channel_id=channel.id, kind=kind,
        content=stored, address_kind="bsuid", address="x", accepted_at=time.time(), **given,
    )  # fmt: skip


class Asked:
    """What the browser asked for, as long as it is looked at."""

    def __init__(self, page: Page) -> None:
        self.strange: set[tuple[str, str]] = set()
        page.on("request", self._look_at)

    def _look_at(self, request) -> None:
        path = urlsplit(request.url).path
        if not request.url.startswith("data:") and not path.startswith(OWN.get(request.resource_type, ("\0",))):
            self.strange.add((request.resource_type, path))


async def test_300_hostile_texts_in_every_view(site, clinic: Clinic, open_page: OpenPage, witness: Witness) -> None:
    import asyncio

    from hailgate.accounts.operators import make_sign_in_link

    assert len(TEXTS) == 300
    link = await asyncio.to_thread(partial(make_sign_in_link, clinic.operator, reusable=True))
    page = await open_page(f"{site.url}/console/sign-in/{link}", **WIDE)
    asked_for = Asked(page)

    await expect_texts(page, "#rows .name", len(TEXTS))
    await expect_texts(page, "#rows .last", len(TEXTS))
    await page.goto(f"{site.url}/console/conversations/{clinic.conversation.uid.hex}")
    assert await page.locator("#messages .bubble").count() >= len(TEXTS) * 5
    await expect_texts(page, "#panel .digits", len(TEXTS))
    await page.click(f"#m-{clinic.message.uid.hex} .meta")
    await page.wait_for_selector("#dialog[open] .timeline")
    await expect_texts(page, "#dialog .timeline p", len(TEXTS))

    for address, selector in (
        ("dead-letters", ".entries .text"),
        ("events", ".entries .why"),
        ("channels", ".channels strong"),
        ("overview", ".channels .why"),
    ):
        await page.goto(f"{site.url}/console/{address}")
        await expect_texts(page, selector, len(TEXTS))
    for address, root in (("queue", "#queue"), ("alarms", ".page"), ("audit", ".page")):
        await page.goto(f"{site.url}/console/{address}")
        await expect_nothing_foreign(page, root)
    assert await page.locator(".entries li").count() > 0  # of the audit log
    await page.goto(f"{site.url}/console/events")
    await page.locator(".entries button").first.click()
    await page.wait_for_selector("#dialog[open] .raw")
    assert msgspec.json.decode(await page.inner_text("#dialog .raw")) == TEXTS
    await page.goto(f"{site.url}/console/conversations/{clinic.another.uid.hex}")
    await preview_all(page)
    await reflect_all(page)
    for model in ("messaging/channel", "messaging/work", "messaging/webhookevent", "accounts/operator"):
        await page.goto(f"{site.url}/admin/{model}/")
        assert await page.locator("#result_list tbody tr").count() >= len(TEXTS)
        await expect_nothing_foreign(page, "#result_list")
    assert asked_for.strange == set()
    witness.check()


async def expect_texts(page: Page, selector: str, at_least: int) -> None:
    """Each place shows a text as text: what it says is what was stored, and not one element came of it."""
    shown = await page.evaluate(f"[...document.querySelectorAll({selector!r})].map(place => place.textContent)")
    assert len(shown) >= at_least
    whole = "\n".join(shown)
    for text in TEXTS:
        assert " ".join(text.split()) in whole, selector
    await expect_nothing_foreign(page, "body")


async def expect_nothing_foreign(page: Page, root: str) -> None:
    for tag in FOREIGN:
        assert await page.locator(f"{root} {tag}:not(.menu, .all)").count() == 0, (root, tag)
    assert await page.evaluate("document.querySelectorAll('[onerror], [onload], [hx-on\\\\:load]').length") == 0


async def preview_all(page: Page) -> None:
    """As the composer does for a draft, and shown in the page as the composer shows it."""
    await page.evaluate(
        """async texts => {
            for (let at = 0; at < texts.length; at += 20) {
                const values = {body: texts.slice(at, at + 20).join("\\n")};
                await htmx.ajax("POST", "/console/conversations/preview", {target: "#preview", values});
            }
        }""",
        TEXTS,
    )
    await expect_nothing_foreign(page, "#preview")


async def reflect_all(page: Page) -> None:
    """Words to search for and the way back after signing in come back in an attribute: as it was sent, into a page.

    Only wraps that lead out of an attribute are tried: each text is a page of its own.
    """
    texts = [text for number, text in enumerate(TEXTS) if number % len(WRAPS) < 4]
    found = await page.evaluate(
        """async texts => {
            const place = document.body.appendChild(document.createElement("div"));
            const take = async (address, from, to, options) => {
                const page = await (await fetch(address, options)).text();
                place.insertAdjacentHTML("beforeend", page.slice(page.indexOf(from), page.indexOf(to)));
            };
            const looked = encodeURIComponent;
            const list = "/console/conversations?show=mine&q=";
            for (const text of texts) {
                await take(list + looked(text), '<form id="finder"', '<section id="pane"');
                await take(`/console/sign-in?next=${looked(text)}`, "<form method", "</form>", {credentials: "omit"});
            }
            return [...place.querySelectorAll("#search")].map(field => field.value).sort();
        }""",
        texts,
    )
    assert found == sorted(texts)
    await expect_nothing_foreign(page, "body > div:last-of-type")
