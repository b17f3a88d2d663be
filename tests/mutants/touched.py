"""Which tests run which function, and for how long: the near tests of a planted bug."""

import ast
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import coverage

from hailgate import core

from .sites import ROOMS, Site, modules_of, name_within

PACKAGE = Path(core.__file__).parents[1]


class Touched:
    """While it is open, what runs is written down under the test that was begun last."""

    def __init__(self, file: str, seconds: Mapping[str, float]) -> None:
        self._file, self._seconds = Path(file), seconds
        watched = sorted({str(module) for room in ROOMS for module in modules_of(PACKAGE, room)})
        self._coverage = coverage.Coverage(data_file=None, include=watched, config_file=False)

    def __enter__(self) -> Self:
        self._coverage.start()
        return self

    def begin(self, test: str) -> None:
        self._coverage.switch_context(test)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._coverage.stop()
        told = read_touched(self._file)
        found = self._functions()
        told["functions"] = {
            place: sorted({*told["functions"].get(place, []), *found.get(place, [])})
            for place in {*told["functions"], *found}
        }
        told["seconds"] |= {test: round(seconds, 2) for test, seconds in self._seconds.items()}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(told), "utf-8")

    def _functions(self) -> Mapping[str, set[str]]:
        data, found = self._coverage.get_data(), defaultdict(set)
        for name in data.measured_files():
            file = Path(name)
            tree = ast.parse(file.read_text("utf-8"))
            for line, tests in data.contexts_by_lineno(name).items():
                found[f"{file.relative_to(PACKAGE)} {name_within(tree, line)}"] |= {test for test in tests if test}
        return found


def read_touched(file: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {"functions": {}, "seconds": {}}
    return told


def tests_of(site: Site, touched: Mapping[str, Any], near: Sequence[str]) -> list[str]:
    """Those that run its function, the ones in `near` files first and the quick ones before the slow ones."""
    seconds = touched["seconds"]
    tests = {test for place in places_of(site) for test in touched["functions"].get(place, [])}
    return sorted(tests, key=lambda test: (test.partition("::")[0] not in near, seconds.get(test, 0.0), test))


def places_of(site: Site) -> list[str]:
    """Its function; of a statement that is held under a name, every function that speaks of that name."""
    if site.within != "module":
        return [f"{site.file} {site.within}"]
    tree = ast.parse((PACKAGE / site.file).read_text("utf-8"))
    held: set[str] = set()
    for node in tree.body:  # what is made of a held one is held, too
        if isinstance(node, ast.Assign | ast.AnnAssign) and (_is_at(node, site.line) or _names(node, ast.Load) & held):
            held |= _names(node, ast.Store)
    speaking = {
        name_within(tree, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in held
    }
    return [f"{site.file} {name}" for name in sorted(speaking - {"module"})]


def _is_at(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or 0)


def _names(tree: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)}
