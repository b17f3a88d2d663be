"""The house: no circle of modules, not even one of types alone; one name for one class."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import hailgate

ROOT = Path(hailgate.__file__).parent
# A model and a content kind, a value of ours and the same thing as the simulator or the API's document calls it.
TWINS = {"Breaker", "Template"}


def modules() -> Mapping[str, ast.Module]:
    return {
        ".".join(("hailgate", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in sorted(ROOT.rglob("*.py"))
        if "migrations" not in path.parts
    }


def imported(tree: ast.Module, known: Mapping[str, ast.Module]) -> Iterator[str]:
    """Modules of ours that a module names anywhere, imports for the type checker and inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield from (name for name in [whole if whole in known else node.module] if name in known)


def test_no_module_leads_back_to_itself() -> None:
    known = modules()
    graph = {name: set(imported(tree, known)) - {name} for name, tree in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as found:
        raise AssertionError(" → ".join(reversed(found.args[1]))) from None


def test_a_class_has_a_name_of_its_own() -> None:
    places = defaultdict(list)
    for name, tree in modules().items():
        if name.startswith("hailgate.simulator"):  # a world of its own, with the same words
            continue
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    assert {name: found for name, found in places.items() if len(found) > 1 and name not in TWINS} == {}


def test_a_module_says_in_its_first_line_what_it_is() -> None:
    silent = [
        name
        for name, tree in modules().items()
        if tree.body and not ast.get_docstring(tree) and not name.endswith(".apps")
    ]
    assert silent == []
