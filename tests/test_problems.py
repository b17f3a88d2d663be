"""Problem details say what to do and give nothing away; every code is documented."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import hailgate
from hailgate import problems
from hailgate.commands.errors_page import errors_page
from hailgate.core import errors
from hailgate.delivery_codes import list_codes, list_provider_codes, list_texts
from hailgate.problems import Code

SOURCE = Path(hailgate.__file__).parent
ANSWERS = {code.code: code for code in problems.answer_codes()}
DELIVERIES = {code.code: code for code in list_codes()}
OF_PROVIDERS = {code for provider in list_provider_codes() for code in provider.notes}


def test_members_are_those_of_rfc_9457_and_ours() -> None:
    error = errors.InputError("to: is wrong.", code="invalid_address", field="to")
    assert msgspec.json.decode(problems.encode(problems.describe(error, "r1"))) == {
        "type": "/v1/docs/errors#invalid_address",
        "title": "Invalid request",
        "status": 422,
        "detail": "to: is wrong.",
        "instance": "urn:hailgate:request:r1",
        "code": "invalid_address",
        "retryable": False,
        "request_id": "r1",
        "field": "to",
    }


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (errors.StoreUnavailable(retry_after=0.2), {"Retry-After": "1"}),
        (errors.Overloaded(retry_after=2.4), {"Retry-After": "2"}),
        (errors.RateLimited(retry_after=30), {"Retry-After": "30"}),
        (errors.Unauthenticated(), {"WWW-Authenticate": 'Bearer realm="hailgate"'}),
        (problems.MethodNotAllowed(["GET", "HEAD"]), {"Allow": "GET, HEAD"}),
        (errors.NotFound(), {}),
    ],
)
def test_headers_say_what_the_body_cannot(error: errors.HailgateError, headers: dict[str, str]) -> None:
    assert problems.headers_of(error) == headers


@pytest.mark.parametrize("code", [*ANSWERS.values(), *DELIVERIES.values(), *problems.TURNS], ids=lambda code: code.code)
def test_every_code_has_a_sentence(code: Code) -> None:
    assert code.sentence.endswith(".")
    assert code.code.replace("_", "").isalpha()


def _raised_codes() -> Iterator[tuple[str, str]]:
    """Codes given with ``code=`` where something of ours is raised."""
    for path in SOURCE.rglob("*.py"):
        if {"simulator", "migrations", "commands"} & set(path.parts) or path.name == "errors.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.keyword)
                and node.arg == "code"
                and isinstance(node.value, ast.Constant)
                and node.value.value
            ):
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node.value.value


@pytest.mark.parametrize(("where", "code"), [*_raised_codes()])
def test_every_code_that_is_raised_is_documented(where: str, code: str) -> None:
    assert code in ANSWERS.keys() | DELIVERIES.keys() | OF_PROVIDERS | {turn.code for turn in problems.TURNS}, where


def test_the_page_lists_every_code_once_in_its_table() -> None:
    page = errors_page()
    told = [code for provider in list_provider_codes() for code in provider.notes]
    for code in {*ANSWERS, *DELIVERIES, *told}:
        assert page.count(f"| `{code}` |") == (code in ANSWERS) + (code in DELIVERIES) + told.count(code)


def test_classes_and_narrower_codes_do_not_collide() -> None:
    assert not {code.code for code in problems.NARROWER} & {
        cls.code for root in problems.ANSWERS for cls in problems.family(root)
    }


COMMANDS = re.compile(r"`hailgate |`make ")


@pytest.mark.parametrize("advice", [*list_texts()])
def test_what_the_api_tells_names_no_command(advice: str) -> None:
    """Whoever calls it may have no shell on the machine; whoever has one reads the commands' own pages."""
    assert not COMMANDS.search(advice)
