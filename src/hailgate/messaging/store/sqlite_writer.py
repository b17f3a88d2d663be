"""Writes that come from Django's threads. On SQLite they queue at the process's one writer, like every other write."""

from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")
Run = Callable[..., Any]


def _directly(function: Callable[..., Result], *arguments: Any) -> Result:
    return function(*arguments)


_run: Run = _directly


def use_writer(run: Run | None) -> None:
    """Called by the composition root; None writes in the caller's own thread and transaction."""
    global _run  # noqa: PLW0603 -- one process has one writer
    _run = run or _directly


def write(function: Callable[..., Result], *arguments: Any) -> Result:
    """Run ``function`` where writes run; returns after its commit."""
    written: Result = _run(function, *arguments)
    return written
