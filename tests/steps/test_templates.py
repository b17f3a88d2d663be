"""Templates from the provider's list to the phone: what we take the provider takes, what we refuse it would refuse."""

import json
from typing import Any

import pytest

from faults.blueprint import run_commands
from faults.stores import postgresql_answers
from hailgate.core.content import encode_content
from hailgate.core.content.outbound import Template as TemplateMessage
from hailgate.core.templates import TemplateDefinition, fill_call, parse_definition

from .talk import Talk, talking, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

WABA = "102000000000001"  # of a number that does not name one to the simulator
VALUES = {"text": "Ana", "suffix": "spring?a=1", "image": "https://files.example/a.jpg", "payload": "yes"}


def called(name: str, *components: Any, language: str = "en_US") -> dict[str, Any]:
    return {"type": "template", "template": {"name": name, "language": {"code": language}, "components": components}}


def body(*texts: str) -> dict[str, Any]:
    return {"type": "body", "parameters": [{"type": "text", "text": text} for text in texts]}


WRONG = {
    "of no name": called("nothing"),
    "in another language": called("order_update", body("42", "ready"), language="de"),
    "with too few values": called("order_update", body("42")),
    "with too many values": called("order_update", body("42", "ready", "now")),
    "without its header": called("appointment_reminder", body("Ana", "nine")),
    "without its picture": called("promo", language="en"),
    "without its button": called("otp", body("123456")),
    "that is paused": called("winter_sale"),
    "with a line break": called("order_update", body("42", "rea\ndy")),
}


async def test_templates_are_listed_checked_sent_and_follow_what_the_provider_does(
    pytestconfig, tmp_path, capsys
) -> None:
    kind = pytestconfig.getoption("--database")
    if kind == "postgresql" and not await postgresql_answers():
        pytest.skip("PostgreSQL does not answer")
    async with talking(kind, tmp_path) as talk:
        listed = await the_account_is_listed(talk)
        sent = [await a_filled_form_arrives(talk, template) for template in listed if template["sendable"]]
        for what, content in WRONG.items():
            talk.done("→", f"a template {what}", await both_refuse(talk, content))
        await a_paused_template_is_refused_until_it_is_back(talk)
        await a_new_template_can_be_sent_and_a_deleted_one_cannot(talk)
    with capsys.disabled():
        print(f"\n{talk.table()}")
    assert len(sent) == 5


async def the_account_is_listed(talk: Talk) -> list[dict[str, Any]]:
    """By the worker, as soon as the channel says where its templates are."""
    await run_commands(talk.stand.environment, ["channel", "set", talk.place.name, f"--set=waba_id={WABA}"])

    async def look() -> list[dict[str, Any]] | None:
        return [each async for each in talk.stand.pages("/v1/templates")] or None

    listed = await wait_for(look, "a list of templates")
    there = await talk.stand.simulator.call("GET", "/_sim/templates")
    assert {(each["name"], each["status"]) for each in listed} == {(each["name"], each["status"]) for each in there}
    return listed


async def a_filled_form_arrives(talk: Talk, shown: dict[str, Any]) -> str:
    """The API shows enough to fill one in, and the phone what was filled in."""
    template = TemplateDefinition(
        shown["provider_id"], shown["name"], shown["language"], shown["category"], shown["status"],
        named=shown["parameter_format"] == "named", components=json.dumps(shown["components"]),
    )  # fmt: skip
    definition = parse_definition(template)
    values = {each["key"]: VALUES[each["kind"]] for each in shown["variables"]}
    content = json.loads(encode_content(TemplateMessage(fill_call(template, definition, values))))
    uid = await accepted(talk, content)
    entry = await talk.ana.shows(uid)
    message = await talk.business.reaches(uid, "delivered")
    talk.done("→", f"the template {shown['name']}", f"{entry['status']}, {message['preview']}")
    return uid


async def accepted(talk: Talk, content: dict[str, Any]) -> str:
    """The id under which it is accepted."""
    status, answer = await post(talk, content)
    assert status == 202, answer
    return answer["id"]


async def both_refuse(talk: Talk, content: dict[str, Any]) -> str:
    status, answer = await post(talk, content)
    assert status == 422, answer
    address = f"{talk.stand.simulator.url}/v23.0/{talk.place.account}/messages"
    whole = {"messaging_product": "whatsapp", "to": talk.ana.number, **content}
    headers = {"Authorization": f"Bearer {talk.place.access_token}"}
    async with talk.stand.session.post(address, json=whole, headers=headers) as theirs:
        assert theirs.status >= 400
        return f"{answer['code']}, {(await theirs.json())['error']['code']} there"


async def post(talk: Talk, content: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    message = {"channel": talk.place.name, "to": talk.ana.address, **content}
    headers = {"Authorization": f"Bearer {talk.stand.blueprint.key}"}
    async with talk.stand.session.post(f"{talk.stand.web}/v1/messages", json=message, headers=headers) as answered:
        return answered.status, await answered.json()


async def a_paused_template_is_refused_until_it_is_back(talk: Talk) -> None:
    there = await talk.stand.simulator.call("GET", "/_sim/templates")
    [address] = [f"/_sim/templates/{each['id']}" for each in there if each["name"] == "order_update"]
    good = called("order_update", body("42", "ready"))
    await talk.stand.simulator.call("PUT", address, {"status": "PAUSED"})
    await stands(talk, "order_update", "PAUSED")
    talk.done("←", "a template is paused", await both_refuse(talk, good))
    await talk.stand.simulator.call("PUT", address, {"status": "APPROVED"})
    await stands(talk, "order_update", "APPROVED")
    message = await talk.business.reaches(await accepted(talk, good), "delivered")
    talk.done("←", "it is approved again", f"{message['status']}, {message['preview']}")


async def a_new_template_can_be_sent_and_a_deleted_one_cannot(talk: Talk) -> None:
    address = f"{talk.stand.simulator.url}/v23.0/{WABA}/message_templates"
    headers = {"Authorization": f"Bearer {talk.place.access_token}"}
    texts = [{"type": "BODY", "text": "Hello {{1}}, we are back."}]
    new = {"name": "we_are_back", "language": "en_US", "category": "UTILITY", "components": texts}
    async with talk.stand.session.post(address, json=new, headers=headers) as answered:
        assert answered.status == 200
    heard = await stands(talk, "we_are_back", "APPROVED")
    uid = await accepted(talk, called("we_are_back", body("Ana")))
    message = await talk.business.reaches(uid, "delivered")
    talk.done("←", "a template is approved", f"{heard['status']}, {message['preview']}")

    async with talk.stand.session.delete(address, params={"name": "we_are_back"}, headers=headers) as answered:
        assert answered.status == 200
    await stands(talk, "we_are_back", "DELETED", gone="true")
    talk.done("←", "it is deleted", await both_refuse(talk, called("we_are_back", body("Ana"))))


async def stands(talk: Talk, name: str, status: str, **filters: str) -> dict[str, Any]:
    """The template, once the API shows it so."""

    async def look() -> dict[str, Any] | None:
        found = await talk.stand.ask("/v1/templates", name=name, status=status, **filters)
        return found["items"][0] if found["items"] else None

    return await wait_for(look, f"a template that is {status}")
