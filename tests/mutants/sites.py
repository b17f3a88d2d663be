"""Where a bug can be planted: what guards, orders, locks, filters or commits, taken out once. Pure.

Each site is a span of a file's text and what takes its place. Of SQL a condition is made one that always holds, with
its parameters kept, so that the statement is still one; of Python a guard is never taken, and what was waited for is
not.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class Kind(StrEnum):
    LOCK = "lock"
    CONDITION = "condition"
    TENANT = "tenant"
    ORDER = "order"
    COMMIT = "commit"
    GUARD = "guard"


class Site(NamedTuple):
    """``start`` and ``end`` are places in the text of ``file``, which is relative to the package.

    ``within`` is the function; ``number`` tells apart what is written more than once in it.
    """

    room: str
    kind: Kind
    file: str
    within: str
    number: int
    line: int
    start: int
    end: int
    was: str
    becomes: str

    @property
    def id(self) -> str:
        """Stays the same while the line's number changes."""
        again = f" #{self.number}" if self.number > 1 else ""
        module = self.file.removesuffix(".py").replace("/", ".")
        return f"{module} {self.within}: {' '.join(self.was.split())[:90]}{again}"

    def plant(self, text: str) -> str:
        assert text[self.start : self.end] == self.was
        return text[: self.start] + self.becomes + text[self.end :]


_COLUMNS = (
    "state|lease|worker_id|ingest_worker_id|alive|expires_at|held_until|hold_until|due_at|attempting|active|paused_at|"
    "status|finished_at|ready_at|unknown|handled_by|revoked_at|ended_at"
)
# What a condition compares with: a parameter and what is added to it, an expression of Python, a list, a number.
_VALUE = r"(?:NOT NULL|NULL|%s(?: [+-] (?:%s|\{[^{}]*\}))?|\{[^{}]*\}|\([^()]*\)|\d+)"
_COMPARED = r"\s*(?:=|<>|>=|<=|<|>|IN|NOT IN|IS)\s*"
_BEFORE = r"(?:(?<=\bAND )|(?<=\bWHERE )|(?<=\bOR )|(?<=\bAND \()|(?<=\bWHERE \())"
CONDITION = re.compile(
    rf"{_BEFORE}(?:(?:\w+\.)?(?:{_COLUMNS})|\{{aside\([^{{}}]*\)\}}){_COMPARED}{_VALUE}"
    rf"|{_BEFORE}(?:NOT )?(?:\w+\.)?(?:alive|attempting|active)\b(?!\s*[=<>])"
)
TENANT = re.compile(rf"{_BEFORE}(?:\w+\.)?tenant_id{_COMPARED}(?:%s|\w+\.tenant_id)")
ORDER = re.compile(r"ORDER BY [a-z_.]+(?: DESC)?(?:, ?[a-z_.]+(?: DESC)?)*")
LOCK = re.compile(r"\{locked\([^{}]*\)\}| FOR KEY SHARE| FOR UPDATE(?: OF \w+)?(?: SKIP LOCKED)?|\{_for_update\(\)\}")
# A guard in Python is one of ours where its condition, or what it leads to, speaks of these.
_GUARDING = re.compile(
    r"alive|lease|\bheld\b|\bmine\b|worker|moment is None|\bstate\b|status|proven|paused|expire|tenant|\bdead\b|"
    r"abandon|lost|begun|withdrawn|is_closing|closed|handled|takes|allow|permit|verif|fresh|known|seen|answered_by|still|refus|safe"
)
_LOCKING = frozenset({"lock_conversations", "lock_held", "lock_tenant_limits", "flock", "_lock_persons", "lock_rows"})
_SYNCING = frozenset({"fsync", "fdatasync"})


class Room(NamedTuple):
    """``files`` are what bugs are planted in, ``tests`` what has to notice them."""

    name: str
    files: Sequence[str]
    tests: Sequence[str]
    kinds: frozenset[Kind] = frozenset(Kind)


ROOMS = (
    Room("work", ["messaging/work"], ["messaging", "pipeline", "simulation"]),
    Room("inbound", ["messaging/inbound", "pipeline/inbound.py", "pipeline/ingesting.py", "pipeline/turns.py",
                     "edge/doors/hooks.py"], ["messaging", "pipeline", "edge", "commands", "simulation"]),
    Room("outbound", ["messaging/outbound", "pipeline/outbound.py", "edge/doors/send.py"],
         ["messaging", "pipeline", "edge", "connectors", "simulation"]),
    Room("gate", ["pipeline/bridge.py", "pipeline/lease.py", "providers/guarded_body.py"],
         ["pipeline", "providers", "simulation"]),
    Room("spool", ["spool"], ["edge", "commands", "pipeline"]),
    Room("people", ["messaging/people"], ["messaging"]),
    Room("assistant", ["assistant", "messaging/assistants", "pipeline/assistants.py", "pipeline/turns.py"],
         ["assistant", "messaging", "pipeline"], frozenset({Kind.GUARD, Kind.CONDITION, Kind.TENANT})),
)  # fmt: skip


def modules_of(package: Path, room: Room) -> list[Path]:
    """The files that it names, and those of the folders that it names."""
    places = [package / name for name in room.files]
    return sorted({path for place in places for path in (place.glob("*.py") if place.is_dir() else [place])})


def find_all(package: Path, rooms: Sequence[Room] = ROOMS) -> list[Site]:
    """In the order of rooms, files and lines."""
    found = []
    for room in rooms:
        for file in modules_of(package, room):
            found += find_sites(room, str(file.relative_to(package)), file.read_text("utf-8"))
    return found


def find_sites(room: Room, file: str, text: str) -> list[Site]:
    tree = ast.parse(text)
    written: Counter[tuple[str, str]] = Counter()
    sites = []
    for kind, start, end, becomes in sorted({*_in_sql(text), *_in_python(text)}, key=lambda span: span[1:3]):
        line, was = text.count("\n", 0, start) + 1, text[start:end]
        within = name_within(tree, line)
        written[within, was] += 1
        site = Site(room.name, kind, file, within, written[within, was], line, start, end, was, becomes)
        if kind in room.kinds and _is_whole(site, text):
            sites.append(site)
    return sites


def name_within(tree: ast.AST, line: int) -> str:
    """The innermost function around a line."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    around = [node for node in functions if node.lineno <= line <= (node.end_lineno or 0)]
    return max(around, key=lambda node: node.lineno).name if around else "module"


def _is_whole(site: Site, text: str) -> bool:
    """What is no Python any more tells nothing."""
    try:
        ast.parse(site.plant(text))
    except SyntaxError:
        return False
    return True


_Span = tuple[Kind, int, int, str]


# --- in SQL -----------------------------------------------------------------------------------------------------------


def _in_sql(text: str) -> Iterator[_Span]:
    for literal in _literals(text):
        start = literal.start
        for kind, pattern in ((Kind.TENANT, TENANT), (Kind.CONDITION, CONDITION)):
            for match in pattern.finditer(literal.text):
                yield kind, start + match.start(), start + match.end(), _always(match.group())
        for match in ORDER.finditer(literal.text):
            yield Kind.ORDER, start + match.start(), start + match.end(), "ORDER BY random()"
        for match in LOCK.finditer(literal.text):
            yield Kind.LOCK, start + match.start(), start + match.end(), ""


def _always(condition: str) -> str:
    """Holds for every row, and takes as many parameters as before."""
    unused = "".join(" OR CAST(%s AS text) IS NULL" for _ in range(condition.count("%s")))
    return f"(TRUE{unused})"


class _Literal(NamedTuple):
    start: int
    text: str


# A docstring may well say AND.
_STATEMENT = re.compile(r"\b(?:SELECT|UPDATE|DELETE FROM)\b")
_SQL = re.compile(r"\b(?:SELECT|UPDATE|DELETE|INSERT|WHERE|AND|ORDER BY|FOR UPDATE|FOR KEY SHARE)\b")


def _literals(text: str) -> Iterator[_Literal]:
    """The strings of a module that hold SQL, each as it is written."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            start, end = _span(node, starts, text)
            written = text[start:end]
            if (_STATEMENT if written.startswith('"""') else _SQL).search(written):
                yield _Literal(start, written)


# --- in Python --------------------------------------------------------------------------------------------------------


def _in_python(text: str) -> Iterator[_Span]:
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.If) and not node.orelse and _guards(node):
            yield Kind.GUARD, *_span(node.test, starts, text), "False"
        elif isinstance(node, ast.Expr):
            yield from _of_statement(node, starts, text)
        elif isinstance(node, ast.Call):
            yield from _of_query(node, starts, text)


def _guards(node: ast.If) -> bool:
    leaves = isinstance(node.body[-1], ast.Return | ast.Raise | ast.Continue)
    return leaves and bool(_GUARDING.search(ast.unparse(node.test)))


def _of_statement(node: ast.Expr, starts: Sequence[int], text: str) -> Iterator[_Span]:
    value = node.value
    if isinstance(value, ast.Await) and isinstance(value.value, ast.Call):
        if not _name(value.value).startswith(("sleep", "wait", "gather")):
            start, end = _span(value, starts, text)
            yield Kind.COMMIT, start, end, f"__import__('asyncio').ensure_future({text[start + len('await ') : end]})"
    elif isinstance(value, ast.Call) and _name(value) in _LOCKING | _SYNCING:
        kind = Kind.LOCK if _name(value) in _LOCKING else Kind.COMMIT
        yield kind, *_span(value, starts, text), "None"


def _of_query(node: ast.Call, starts: Sequence[int], text: str) -> Iterator[_Span]:
    if _name(node) not in {"filter", "get", "exclude"}:
        return
    for keyword in node.keywords:
        if keyword.arg in {"tenant_id", "tenant"} and len(node.keywords) > 1:
            start, end = _span(keyword, starts, text)
            comma = re.match(r",\s*", text[end:])
            yield Kind.TENANT, start, end + (comma.end() if comma else 0), ""


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _span(node: ast.AST, starts: Sequence[int], text: str) -> tuple[int, int]:
    """Places in the text; ast counts columns in bytes."""

    def place(line: int, column: int) -> int:
        begin = starts[line - 1]
        return begin + len(text[begin : starts[line]].encode()[:column].decode())

    return place(node.lineno, node.col_offset), place(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
