"""structlog without rich: where that is installed, importing it for a renderer of the console is half of a start."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["structlog"]


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Whoever imports it meanwhile is told that it is not installed. It is as it was afterwards."""
    missing = object()
    before = sys.modules.get(name, missing)
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
        if before is not missing:
            sys.modules[name] = before  # type: ignore[assignment]


with _hidden("rich"):
    import structlog
