"""Whatever is asked is answered as described: generated calls against the OpenAPI document, and calls that succeed.

`make contract` asks two thousand times and prints what was answered; the suite asks less.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, Final

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from api.good_calls import GOOD_CALLS, Clinic, GoodCall
from hailgate import urls

pytestmark = [pytest.mark.anyio, pytest.mark.fuzz, pytest.mark.timeout(1800)]

CALLS: Final = int(os.environ.get("CALLS", "0"))
GOOD: Final = 3
CHECKS: Final = [
    getattr(schemathesis.checks, name)
    for name in (
        "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
        "response_headers_conformance",
    )
]  # fmt: skip
DOCUMENT: Final[dict[str, Any]] = urls.render_openapi()
# A hook and a link take any token, a hook any body: there is nothing to get wrong.
LENIENT: Final = ("/hooks/", "/media/{token}", "/files/")


def operations() -> dict[str, Any]:
    """By their ids, as Schemathesis reads them."""
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    return {
        operation["operationId"]: schema[path][method.upper()]
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }


OPERATIONS: Final = operations()


class Caller:
    """One who calls with the clinic's key, and counts by operation what is answered."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._session = url, requests.Session()
        self._headers = {"Authorization": f"Bearer {key}"}
        self.clinic: Clinic
        self.seen: dict[str, Counter[int]] = defaultdict(Counter)
        self.broken: list[str] = []

    def succeed(self, name: str, **given: Any) -> Any:
        """One of the calls that succeed; returns its JSON."""
        good = GOOD_CALLS[name](self.clinic)._replace(**given)
        response = self._ask(name, _case(name, good))
        assert response.status_code < 300, f"{name}: {response.status_code} {response.text[:300]}"
        return response.json() if "json" in str(response.headers.get("content-type")) else None

    def try_out(self, name: str, mode: str, count: int, ids: dict[str, Any]) -> None:
        """As many calls as the document allows (``POSITIVE``), or forbids."""
        cases = OPERATIONS[name].as_strategy(generation_mode=schemathesis.GenerationMode[mode])

        @given(case=cases)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: Any) -> None:
            """With ids that exist, more is seen than 404."""
            given_ids = (case.path_parameters or {}).items()
            case.path_parameters = {hole: str(ids.get(hole, value)) for hole, value in given_ids}
            self._ask(name, case)

        ask()

    def _ask(self, name: str, case: Any) -> Any:
        options = {"base_url": self._url, "session": self._session, "headers": self._headers, "timeout": 30}
        response = case.call(**options)
        self.seen[name][response.status_code] += 1
        try:
            case.validate_response(response, checks=CHECKS, headers=self._headers)
        except (schemathesis.errors.SchemathesisError, AssertionError, ExceptionGroup) as broken:
            self.broken.append(f"{name}: {broken} {getattr(broken, 'exceptions', '')}")
        return response

    def close(self) -> None:
        self._session.close()


def _case(name: str, good: GoodCall) -> Any:
    more = {} if good.body is None else {"body": good.body, "media_type": good.media}
    path = {hole: str(value) for hole, value in good.path.items()}
    return OPERATIONS[name].Case(path_parameters=path, query=dict(good.query), headers=dict(good.headers), **more)


@pytest.fixture
async def caller(site, key, channel, hook, told) -> Any:
    caller = Caller(site.url, key)
    caller.clinic = Clinic(channel, hook, told, caller.succeed)
    yield caller
    caller.close()


def walks(name: str) -> Iterator[str]:
    yield "POSITIVE"
    path = OPERATIONS[name].path
    if not path.startswith(LENIENT):
        yield "NEGATIVE"


def walk(caller: Caller, name: str, each: int) -> None:
    """Generated calls first, with ids that exist and with any; then those that succeed."""
    for mode in walks(name):
        for ids in ({}, dict(GOOD_CALLS[name](caller.clinic).path)):
            caller.try_out(name, mode, each, ids)
    for _ in range(GOOD):
        caller.succeed(name)


def test_every_operation_has_a_call_that_succeeds() -> None:
    assert GOOD_CALLS.keys() == OPERATIONS.keys()


@pytest.mark.parametrize("name", sorted(OPERATIONS))
async def test_whatever_is_asked_is_answered_as_described(caller: Caller, db: Any, name: str) -> None:
    await db(walk, caller, name, 6)
    assert caller.broken == []
    assert sum(count for status, count in caller.seen[name].items() if status < 300) >= GOOD


@pytest.mark.skipif(not CALLS, reason="make contract asks it")
async def test_the_whole_contract(caller: Caller, db: Any, capsys: pytest.CaptureFixture[str]) -> None:
    runs = sum(2 * len(list(walks(name))) for name in OPERATIONS)
    for name in sorted(OPERATIONS):
        await db(walk, caller, name, -(-CALLS // runs))
    with capsys.disabled():
        show(caller)
    assert caller.broken == []
    assert sum(sum(counted.values()) for counted in caller.seen.values()) >= CALLS
    assert all(_like(caller.seen[name], 2) >= GOOD and not _like(caller.seen[name], 5) for name in OPERATIONS)


def _like(counted: Counter[int], hundred: int) -> int:
    return sum(count for status, count in counted.items() if status // 100 == hundred)


def show(caller: Caller) -> None:
    print(f"\n{'operation':<28}{'calls':>7}{'2xx':>6}{'4xx':>6}{'5xx':>6}")
    for name, counted in sorted(caller.seen.items()):
        print(f"{name:<28}{sum(counted.values()):>7}" + "".join(f"{_like(counted, each):>6}" for each in (2, 4, 5)))
    total: Counter[int] = sum(caller.seen.values(), Counter())
    print(f"{'all':<28}{sum(total.values()):>7}" + "".join(f"{_like(total, each):>6}" for each in (2, 4, 5)))
    print(f"Violations: {len(caller.broken)}")
