"""No operation passes over a query parameter that it does not know."""

import pytest

from api.test_isolation import DOCUMENT, FOREIGN, NOBODYS, OPERATIONS, filled
from hailgate.api.examples import BODIES

pytestmark = pytest.mark.anyio


def body_of(method, path):
    operation = DOCUMENT["paths"][path][method.lower()]
    if examples := BODIES.get(operation["operationId"]):
        return {"json": next(iter(examples.values()))}
    return {"data": b"x"} if "requestBody" in operation else {}


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
async def test_an_unknown_parameter_is_refused_by_its_name(site, key, told, method, path):
    address = filled(path, dict.fromkeys(FOREIGN, NOBODYS))
    answer = await site.ask(method, address, key=key, params={"colour": "blue"}, **body_of(method, path))
    assert (answer.status, answer.json["field"]) == (422, "colour")
    assert answer.json["detail"].startswith("colour: is not known here; ")


async def test_a_list_names_the_nearest_that_it_knows(site, key, told):
    answer = await site.get("/v1/messages", key=key, params={"statuses": "sent"})
    assert answer.json["detail"] == "statuses: is not known here; status is near to it."


async def test_a_key_in_brackets_belongs_to_its_parameter(site, key, told):
    told_by = {"channel": "reception", "metadata[order]": "17"}
    answer = await site.get("/v1/messages", key=key, params=told_by)
    assert answer.json.get("field") != "metadata"


async def test_who_is_not_known_learns_nothing_of_parameters(site):
    assert (await site.get("/v1/messages", params={"colour": "blue"})).status == 401
