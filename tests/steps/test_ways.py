"""The conversation through each provider beside the Cloud API: every kind that a channel takes, both ways, both ends.

It prints its steps. What a channel takes is asked of the API, so that no kind is forgotten.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from faults.blueprint import Blueprint
from faults.stand import Stand
from faults.stores import postgresql_answers
from faults.windows import open_sessions

from .talk import Phone, Talk, wait_for
from .test_every_kind import NINE, YES, check_holds, text
from .ways import ADVERT, ELSEWHERE, FILES, GROUP, NOBODY, SENT, WAYS, Content, image, reply, shown

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

# As many as the conversation through the Cloud API had when it was written down.
STEPS = 72


class Walk(Talk):
    """A talk through one of the providers; `links` is where files lie that are sent by link."""

    def __init__(self, stand: Stand, links: str) -> None:
        super().__init__(stand)
        self.way, self.links = WAYS[stand.blueprint.provider], links
        self.needs_window = stand.blueprint.provider == "twilio"

    async def kinds(self) -> Mapping[str, Mapping[str, Any]]:
        """What the API says that the channel takes."""
        channels = [each async for each in self.stand.pages("/v1/channels") if each["name"] == self.place.name]
        return {each["kind"]: each for each in channels[0]["kinds"]}

    async def sent(
        self, what: str, content: Content, *words: str, to: Any = None, phone: Phone | None = None
    ) -> dict[str, Any]:
        """The product sends it, the phone shows it, the product learns that it arrived; the entry on the phone."""
        phone = phone or self.ana
        uid = await self.business.send(to or phone.address, content)
        message = await self.business.reaches(uid, "delivered")
        assert (message["type"], message["direction"]) == (content["type"], "outbound")
        check_holds(message["content"], content[content["type"]])
        entry = await self.entry(phone, message["provider_id"])
        assert all(word in shown(entry) for word in words), shown(entry)
        self.done("→", what, f"{entry['status']}, {message['preview'][:40]}")
        return {**entry, "uid": uid}

    async def entry(self, phone: Phone, provider_id: str) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            return next((each for each in await phone.chat() if each["message"].get("id") == provider_id), None)

        return await wait_for(look, "a message on the phone")

    async def came_in(
        self, what: str, content: Content, *, phone: Phone | None = None, kind: str = ""
    ) -> dict[str, Any]:
        """The person writes it, the API shows it under its type, and what was said is in it."""
        phone = phone or self.ana
        provider_id = await phone.write(content)
        message = await self.business.received(provider_id)
        kind = kind or self.way.renamed.get(what, content["type"])
        assert (message["type"], message["direction"], message["status"]) == (kind, "inbound", "received"), message
        self.done("←", what, message["preview"][:40])
        return message

    async def file_on_phone(self, entry: Mapping[str, Any], kind: str) -> bytes:
        address = f"{self.stand.simulator.url}/_sim/files/{entry['message'][kind]['id']}"
        async with self.stand.session.get(address, raise_for_status=True) as answer:
            return await answer.read()

    async def refused(self, what: str, content: Content, to: Any = None) -> None:
        """Before it is accepted, with a sentence."""
        body = {"channel": self.place.name, "to": to or self.ana.address, **content}
        headers = {"Authorization": f"Bearer {self.stand.blueprint.key}"}
        async with self.stand.session.post(f"{self.stand.web}/v1/messages", json=body, headers=headers) as answer:
            problem = await answer.json()
        assert (answer.status, bool(problem["detail"])) == (422, True), problem
        self.done("→", what, f"refused: {problem['detail'][:60]}")

    async def type_on_telephone(self, message: Content) -> str:
        """Somebody writes to this person on the business's own phone; the provider's id of it."""
        order = {"to": self.ana.number, "message": message}
        answer = await self.stand.simulator.call("POST", f"/_sim/channels/{self.place.number}/send", order)
        return str(answer["id"])


@asynccontextmanager
async def walking(kind: str, provider: str, folder: Path) -> AsyncIterator[Walk]:
    if kind == "postgresql" and not await postgresql_answers():
        pytest.skip("PostgreSQL does not answer")
    blueprint = Blueprint(kind, folder, provider)
    try:
        await blueprint.draw()
        async with Stand(blueprint, folder / "stand") as stand, lent_files() as links:
            await stand.serve(HAILGATE_DEBOUNCE_S="0")
            if blueprint.setup.pairs:
                await open_sessions(stand)
            yield Walk(stand, links)
            complaints = stand.complaints()
            assert "traceback" not in complaints, complaints
    finally:
        await blueprint.erase()


@asynccontextmanager
async def lent_files() -> AsyncIterator[str]:
    """Somebody's web server, from which providers fetch what is sent by link."""

    async def give(request: web.Request) -> web.Response:
        content, mime, _ = FILES[request.match_info["what"]]
        return web.Response(body=content, content_type=mime)

    app = web.Application()
    app.router.add_get("/{what}", give)
    async with TestServer(app) as server:
        yield f"http://files.example:{server.port}/"


@pytest.mark.parametrize("provider", WAYS)
async def test_every_kind_that_a_channel_takes_goes_both_ways(pytestconfig, tmp_path, capsys, provider) -> None:
    async with walking(pytestconfig.getoption("--database"), provider, tmp_path) as walk:
        kinds = await walk.kinds()
        await they_meet(walk)
        tried = await the_business_sends_every_kind(walk, kinds)
        tried |= await the_business_sends_files(walk, kinds)
        await the_person_sends_every_kind(walk)
        await the_person_sends_files(walk)
        await messages_are_quoted(walk, kinds)
        if "reaction" in kinds:
            tried |= await messages_are_reacted_to(walk)
        await the_person_changes_what_was_said(walk)
        await people_do_more_than_write(walk)
        await a_poll_is_voted_in(walk)
        await a_person_without_a_number_writes(walk)
        await a_group_writes_and_is_written_to(walk)
        await the_business_writes_on_its_own_telephone(walk)
        await a_phone_is_off_and_comes_back(walk)
        await what_is_at_a_limit_passes_and_what_is_beyond_is_refused(walk, kinds)
        await what_cannot_be_said_there_is_refused(walk, kinds)
        await nobody_is_behind_a_number(walk)
        await the_person_wants_nothing_more(walk)
    with capsys.disabled():
        print(f"\n{provider}: {len(walk.steps)} steps, {len(kinds)} kinds\n{walk.table()}")
    assert set(kinds) == tried
    assert len(walk.steps) >= STEPS


# --- the acts ---------------------------------------------------------------------------------------------------------


async def they_meet(walk: Walk) -> None:
    await walk.ana.change(name="Ana")
    message = await walk.came_in("a text", text("Hello"))
    assert (message["text"]["body"], message["address"]["value"]) == ("Hello", walk.ana.number)
    conversation = await walk.business.conversation(message["conversation"])
    assert conversation["contact"]["name"] == "Ana"
    entry = await walk.sent("a text", text("Welcome"), "Welcome")
    await walk.ana.read(entry["seq"])
    message = await walk.business.reaches(entry["uid"], "read")
    walk.done("←", "the text is read", message["status"])


async def the_business_sends_every_kind(walk: Walk, kinds: Mapping[str, Any]) -> set[str]:
    tried = {kind for kind in SENT if kind in kinds}
    for kind in SENT:
        content, words = SENT[kind]
        if kind in tried:
            as_text = kinds[kind]["degrades_to"] == "text"
            entry = await walk.sent(f"{kind}, as text" if as_text else kind, content, *words)
            assert not as_text or entry["message"]["type"] == "text"
    return tried


async def the_business_sends_files(walk: Walk, kinds: Mapping[str, Any]) -> set[str]:
    """Each from the store of the product, and by a link."""
    for what, (content, _, more) in FILES.items():
        kind = "audio" if what == "voice" else what
        stored = await walk.business.upload(content, f"{what}.bin")
        entry = await walk.sent(f"{what} by attachment", {"type": kind, kind: {"attachment": stored, **more}})
        assert entry["message"]["type"] == kind
        there = await walk.file_on_phone(entry, kind)
        # A voice note may have been written anew on its way, so that it is what phones play.
        assert there[:4] == content[:4] if what == "voice" else there == content
        by_link = {"type": kind, kind: {"link": f"{walk.links}{what}", **more}}
        if what != "voice" or kinds[kind]["voice_by_link"]:
            await walk.sent(f"{what} by link", by_link)
        else:
            await walk.refused(f"{what} by link", by_link)
        if what == "voice" and walk.way.plays:
            await walk.ana.play(entry["seq"])
            walk.done("←", "the voice is played", (await walk.business.reaches(entry["uid"], "played"))["status"])
    return {kind for kind in FILES if kind != "voice"}


async def the_person_sends_every_kind(walk: Walk) -> None:
    for what, content in walk.way.received().items():
        message = await walk.came_in(what, content)
        assert message["preview"]
        if message["type"] in {"location", "button", "interactive"}:
            assert message["content"]
    await walk.came_in("a text in many scripts", text('Olá, שלום, مرحبا, 你好, 👩🏽‍⚕️ and a \\ " end'))
    if walk.way.adverts:
        message = await walk.came_in("a text from an advert", {**text("Hi"), "referral": ADVERT})
        assert message["origin"]["referral"]["headline"] == "Checks"


async def the_person_sends_files(walk: Walk) -> None:
    for what, (content, mime, more) in FILES.items():
        kind = "audio" if what == "voice" else what
        file_id = await walk.ana.put_file(content, mime, f"{what}.bin")
        message = await walk.came_in(what, {"type": kind, kind: {"id": file_id, **more}})
        stored = await walk.fetched(message["id"])
        assert (stored["state"], stored["type"]) == ("stored", mime), stored
        headers, body = await walk.business.download(stored["id"])
        assert body == content
        assert headers["Content-Disposition"].startswith("attachment;")
        walk.done("←", f"the file of {what}", f"{stored['type']}, {len(body)} bytes")


async def messages_are_quoted(walk: Walk, kinds: Mapping[str, Any]) -> None:
    question = await walk.sent("a question", text("Shall we?"), "Shall we?")
    context = {"context": {"message_id": question["message"]["id"]}}
    answer = await walk.came_in("a quote", {**text("Yes"), **context})
    assert answer["context_id"] == question["message"]["id"]
    stored = await walk.business.upload(FILES["image"][0], "door.jpg")
    contents = {"text": text("Good"), "image": {"type": "image", "image": {"attachment": stored}}}
    for kind, content in contents.items():
        quoting = {**content, "context": {"message_id": answer["id"]}}
        if kinds[kind]["quotable"]:
            entry = await walk.sent(f"{kind} that quotes", quoting)
            assert entry["message"]["context"]["message_id"] == answer["provider_id"]
        else:
            await walk.refused(f"{kind} that quotes", quoting)


async def messages_are_reacted_to(walk: Walk) -> set[str]:
    answer = await walk.came_in("a text to react to", text("It is done"))
    for emoji, what in (("👍", "a reaction"), ("", "the reaction is taken back")):
        mark = {"message_id": answer["id"], "emoji": emoji}
        uid = await walk.business.send(walk.ana.address, {"type": "reaction", "reaction": mark})
        message = await walk.business.reaches(uid, "delivered" if walk.way.confirms_reactions else "sent")
        walk.done("→", what, f"{message['status']}, {message['preview']}")
    question = await walk.sent("a text", text("Is it?"))
    for emoji, what in (("❤️", "a reaction"), ("", "the reaction is taken back")):
        mark = {"message_id": question["message"]["id"], "emoji": emoji}
        await walk.ana.write({"type": "reaction", "reaction": mark})
        message = await walk.until(
            question["uid"], lambda m, e=emoji: [r["emoji"] for r in m["reactions"]] == [e] * bool(e)
        )
        walk.done("←", what, f"{len(message['reactions'])} reactions")
    return {"reaction"}


async def the_person_changes_what_was_said(walk: Walk) -> None:
    if walk.way.edits:
        said = await walk.came_in("a text with a slip", text("At nien"))
        edit = {"original_message_id": said["provider_id"], "message": text("At nine")}
        await walk.ana.write({"type": "edit", "edit": edit})
        edited = await walk.until(said["id"], lambda m: m["edited_at"])
        assert edited["text"]["body"] == "At nine"
        walk.done("←", "the text is edited", edited["preview"])
    if walk.way.revokes:
        said = await walk.came_in("a text to the wrong person", text("My dear"))
        await walk.ana.write({"type": "revoke", "revoke": {"original_message_id": said["provider_id"]}})
        deleted = await walk.until(said["id"], lambda m: m["deleted_at"])
        assert (deleted["type"], deleted["text"]) == ("deleted", None)
        walk.done("←", "the text is deleted", deleted["preview"])


async def people_do_more_than_write(walk: Walk) -> None:
    if walk.way.rings:
        rang = await walk.came_in("a call", {"type": "call", "call": {"event": "connect"}})
        assert rang["content"]["direction"] == "USER_INITIATED"
    content, words = SENT["interactive.list"]
    asked = await walk.sent("a list to answer", content, *words)
    if asked["message"]["type"] == "text":
        answer = await walk.came_in("its number, as a row", text("1"), kind="interactive")
        assert (answer["content"]["list_reply"]["id"], answer["text"]["body"]) == ("9", "1")
    else:
        row = {**reply(list_reply=NINE), "context": {"message_id": asked["message"]["id"]}}
        answer = await walk.came_in("its row", row)
        assert (answer["content"]["list_reply"]["id"], answer["context_id"]) == ("9", asked["message"]["id"])
    content, words = SENT["interactive.button"]
    asked = await walk.sent("buttons to answer", content, *words)
    if asked["message"]["type"] == "text":
        answer = await walk.came_in("a title, as a button", text("No"), kind="interactive")
        assert (answer["content"]["button_reply"]["id"], answer["text"]["body"]) == ("no", "No")
    else:
        button = {**reply(button_reply=YES), "context": {"message_id": asked["message"]["id"]}}
        answer = await walk.came_in("a button of it", button, kind=walk.way.renamed.get("a button", "interactive"))
        assert answer["context_id"] == asked["message"]["id"]


async def a_poll_is_voted_in(walk: Walk) -> None:
    content, words = SENT["interactive.poll"]
    asked = await walk.sent("a poll to vote in", content, *words)
    if asked["message"]["type"] == "text":
        for body, chosen in (("3", ["Friday"]), ("1, Friday", ["Monday", "Friday"])):
            answer = await walk.came_in("numbers and titles, as a vote", text(body), kind="interactive")
            assert (answer["content"]["poll_reply"]["options"], answer["text"]["body"]) == (chosen, body)
        return
    for chosen in (["Friday"], ["Monday", "Friday"], []):
        await voted(walk, asked, chosen, walk.ana)


async def voted(walk: Walk, asked: Mapping[str, Any], chosen: list[str], phone: Phone, **where: str) -> None:
    """A vote may be told under another id than the phone knows it by: it names its poll."""
    poll = asked["message"]["id"]
    await phone.write({"type": "poll_vote", "poll_vote": {"message_id": poll, "options": chosen}, **where})

    async def look() -> dict[str, Any] | None:
        votes = [each async for each in walk.stand.pages("/v1/messages") if each["context_id"] == poll]
        told = [each for each in votes if each["content"].get("poll_reply", {}).get("options", []) == chosen]
        by = [each for each in told if (each["author"] or each["address"])["value"] == phone.number]
        return next((each for each in by if each["type"] == "interactive"), None)

    vote = await wait_for(look, "a vote")
    walk.done("←", "a vote", vote["preview"])


async def a_person_without_a_number_writes(walk: Walk) -> None:
    """Known by another id alone; answered by that id, and the answer is on that phone."""
    await walk.ben.change(name="Ben", hides_number=True, by_lid=True)
    message = await walk.came_in("a text from somebody without a number", text("No number"), phone=walk.ben)
    assert message["address"]["kind"] != "phone"
    entry = await walk.sent("an answer to them", text("Hello Ben"), "Hello Ben", to=message["address"], phone=walk.ben)
    answered = await walk.business.message(entry["uid"])
    assert answered["conversation"] == message["conversation"]


async def a_group_writes_and_is_written_to(walk: Walk) -> None:
    if not walk.way.groups:
        return
    said = {
        phone.number: await walk.came_in("a text in a group", {**text("All?"), "group_id": GROUP}, phone=phone)
        for phone in (walk.ana, walk.cleo)
    }
    for number, message in said.items():
        assert message["address"]["kind"] == "group"
        assert message["author"]["value"] == number
    assert len({message["conversation"] for message in said.values()}) == 1
    group = said[walk.ana.number]["address"]
    entry = await walk.sent("a text to a group of two", text("All of you"), "All of you", to=group)
    await walk.entry(walk.cleo, entry["message"]["id"])
    people = {"mentions": [f"+{walk.cleo.number}"]}
    called = {"type": "text", "text": {"body": f"See @{walk.cleo.number}", **people}}
    entry = await walk.sent("a text that mentions somebody", called, walk.cleo.number, to=group)
    assert entry["message"]["text"]["mentions"] == [walk.cleo.number]
    named = {"type": "text", "text": {"body": "And @desk?", "mentions": [walk.cleo.number]}, "group_id": GROUP}
    message = await walk.came_in("a text that mentions somebody", named)
    assert message["content"]["mentions"] == [{"kind": "phone", "value": walk.cleo.number}]
    content, words = SENT["interactive.poll"]
    asked = await walk.sent("a poll for a group", content, *words, to=group)
    await voted(walk, asked, ["Tuesday"], walk.cleo, group_id=GROUP)


async def the_business_writes_on_its_own_telephone(walk: Walk) -> None:
    if not walk.way.types:
        return
    typed = await walk.business.received(await walk.type_on_telephone(text("From the telephone")))
    assert (typed["direction"], typed["sender"], typed["status"]) == ("outbound", "telephone", "sent")
    walk.done("→", "a text from its own telephone", f"{typed['status']}, {typed['preview']}")


async def a_phone_is_off_and_comes_back(walk: Walk) -> None:
    await walk.cleo.change(online=False)
    if walk.needs_window:
        await walk.came_in("a text before the phone is off", text("Later"), phone=walk.cleo)
    uid = await walk.business.send(walk.cleo.address, text("When you are back"))
    message = await walk.business.reaches(uid, "sent")
    walk.done("→", "a text to a phone that is off", message["status"])
    await walk.cleo.change(online=True)
    message = await walk.business.reaches(uid, "delivered")
    walk.done("←", "the phone is on again", message["status"])
    entry = await walk.entry(walk.cleo, message["provider_id"])
    await walk.cleo.read(entry["seq"])
    walk.done("←", "that text is read", (await walk.business.reaches(uid, "read"))["status"])


async def what_is_at_a_limit_passes_and_what_is_beyond_is_refused(walk: Walk, kinds: Mapping[str, Any]) -> None:
    """By the limits that the API tells."""
    longest = kinds["text"]["text"]
    entry = await walk.sent(f"a text of {longest} characters", text("w" * longest))
    assert entry["message"]["text"]["body"] == "w" * longest
    await walk.refused("a text of one more", text("w" * (longest + 1)))
    incoming = await walk.came_in("the longest text that WhatsApp takes", text("ä" * 4096))
    assert incoming["text"]["body"] == "ä" * 4096
    stored, most = await walk.business.upload(FILES["image"][0], "door.jpg"), kinds["image"]["caption"]
    await walk.sent(f"a caption of {most} characters", image(stored, "c" * most))
    await walk.refused("a caption of one more", image(stored, "c" * (most + 1)))
    large = await walk.business.upload(FILES["image"][0].ljust(kinds["image"]["bytes"] + 1, b"\0"), "large.jpg")
    await walk.refused("a picture that is one byte too large", image(large, "Large"))


async def what_cannot_be_said_there_is_refused(walk: Walk, kinds: Mapping[str, Any]) -> None:
    """Before it is accepted, with a sentence; a template of one provider is never silently another's."""
    said = {**{kind: content for kind, (content, _) in SENT.items()}, **ELSEWHERE}
    for kind in sorted(said.keys() - kinds):
        await walk.refused(kind, said[kind])
    if not walk.way.groups:
        await walk.refused("a text to a group", text("All of you"), to={"kind": "group", "value": GROUP})


async def nobody_is_behind_a_number(walk: Walk) -> None:
    nobody = Phone(walk.stand.simulator, NOBODY, walk.place)
    if walk.needs_window:
        uid = await walk.business.send(nobody.address, SENT["template"][0])
    else:
        uid = await walk.business.send(nobody.address, text("Is anybody there?"))
    message = await walk.business.reaches(uid, "failed")
    assert message["detail"]
    walk.done("→", "to a number that nobody has", f"{message['status']}, {message['code']}")


async def the_person_wants_nothing_more(walk: Walk) -> None:
    """Twilio itself takes the words STOP and START, and refuses what is sent between them."""
    if not walk.way.stops:
        return
    await walk.came_in("STOP", text("STOP"))
    uid = await walk.business.send(walk.ana.address, text("Are you there?"))
    message = await walk.business.reaches(uid, "failed")
    walk.done("→", "a text that is not wanted", f"{message['status']}, {message['code']}")
    await walk.came_in("START", text("START"))
    await walk.sent("a text that is wanted again", text("Welcome back"), "Welcome back")
