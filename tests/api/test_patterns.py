"""Patterns over the API: set, listed, taken away; nobody else's."""

import pytest

pytestmark = pytest.mark.anyio

PATH = "/v1/patterns/greeting/en"


async def put(site, key, text, path=PATH):
    return await site.ask("PUT", path, json={"text": text}, key=key)


async def test_a_pattern_is_set_listed_and_taken_away(site, key) -> None:
    made = await put(site, key, "Hello {{name}}!")
    shown = {"name": "greeting", "language": "en", "text": "Hello {{name}}!", "variables": ["name"]}
    assert (made.status, made.json) == (200, shown)
    await put(site, key, "Hi {{name}}.")
    assert (await site.get("/v1/patterns", key=key)).json == {"items": [shown | {"text": "Hi {{name}}."}]}
    assert (await site.ask("DELETE", PATH, key=key)).json == {"removed": True}
    assert (await site.ask("DELETE", PATH, key=key)).status == 404


async def test_another_tenant_neither_sees_nor_changes_it(site, key, stranger_key) -> None:
    await put(site, key, "Hello {{name}}!")
    assert (await site.get("/v1/patterns", key=stranger_key)).json == {"items": []}
    assert (await site.ask("DELETE", PATH, key=stranger_key)).status == 404


@pytest.mark.parametrize(
    ("path", "text", "field"),
    [
        (PATH, "Hello {{First}}", "text"),
        (PATH, "Hello\x00", "text"),
        ("/v1/patterns/greeting/xx-9", "Hi", "language"),
        ("/v1/patterns/%00/en", "Hi", "name"),
    ],
)
async def test_what_is_no_pattern_is_refused(site, key, path, text, field) -> None:
    refused = await put(site, key, text, path)
    assert (refused.status, refused.json["field"]) == (422, field)


@pytest.mark.parametrize(
    ("path", "field"), [("/v1/patterns/%00/en", "name"), ("/v1/patterns/greeting/%00", "language")]
)
async def test_where_none_can_stand_none_is_taken_away(site, key, path, field) -> None:
    refused = await site.ask("DELETE", path, key=key)
    assert (refused.status, refused.json["field"]) == (422, field)


async def test_a_language_is_taken_away_in_both_spellings(site, key) -> None:
    await put(site, key, "Oi", "/v1/patterns/greeting/pt-BR")
    assert (await site.ask("DELETE", "/v1/patterns/greeting/pt-BR", key=key)).json == {"removed": True}
