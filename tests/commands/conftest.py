import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hailgate.commands.program import program

Run = Callable[..., Result]


@pytest.fixture
def run(store: None) -> Run:
    """`run("key", "list")` on the test's store, in this process."""

    def run(*arguments: str, typed: str | None = None) -> Result:
        result = CliRunner().invoke(program, arguments, input=typed, prog_name="hailgate")
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def ask(run: Run) -> Callable[..., Any]:
    """The JSON document of a command that succeeds."""

    def ask(*arguments: str, typed: str | None = None) -> Any:
        result = run(*arguments, "--json", typed=typed)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return ask
