"""Markdown as WhatsApp shows it: *bold*, _italic_, ~struck~, `code`, lists, quotes, tables where a phone has room.

WhatsApp knows neither links with a text of their own, nor headings, tables, rules or a way to escape a mark. It shows a
mark only on one line and beside the edge of a word; where it would stay a bare sign the words go without it.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Final

from hailgate.core.monospace import align

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.tree import SyntaxTreeNode as Node

# Characters of one line of monospace that a telephone of 360 points shows in a bubble, with a point or two to spare.
PHONE_WIDTH: Final = 30
RULE: Final = "———"
# Who nests deeper, or writes more than a message holds, gets the text as it is.
MOST_LEVELS: Final = 20
LONGEST: Final = 4096
BOLD: Final = "*"
_MARKS: Final = {"strong": BOLD, "em": "_", "s": "~"}
_BREAK: Final = re.compile(r"<br ?/?>", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"://[^\s<>\"`\]]+")
_AFTER_ADDRESS: Final = ".,;:!?)*_~"
# As WhatsApp reads them: not inside a word, on one line, and within each other.
_SHOWN: Final = [
    (re.compile(rf"(?<!{mark})(?<![^\W_]){mark}(?=\S)([^\n{mark}]+?)(?<=\S){mark}(?!{mark})(?![^\W_])"), written)
    for mark, written in ((r"\*", r"**\1**"), ("~", r"~~\1~~"))
]
_FENCE: Final = "```"
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9+#.-]{0,20}")


def to_whatsapp(text: str) -> str:
    """Total: whatever the text is. Words without marks stay as they are, but for blank lines beyond one."""
    from markdown_it.tree import SyntaxTreeNode

    text = text.strip()
    if len(text) > LONGEST:
        return text
    tokens = _parser().parse(text)
    levels = (each.level for token in tokens for each in (token, *(token.children or ())))
    if max(levels, default=0) >= MOST_LEVELS:
        return text
    return _Rendering(_lines(text)).blocks(SyntaxTreeNode(tokens).children).strip() or text


def from_whatsapp(text: str) -> str:
    """What we said, as Markdown, for whoever writes that: a model copies what it reads of itself."""
    pieces = text.split(_FENCE)
    for place in range(0, len(pieces), 2):
        for pattern, written in _SHOWN:
            pieces[place] = pattern.sub(written, pieces[place])
    return _FENCE.join(pieces)


@cache
def _parser() -> "MarkdownIt":
    """Without what plain words would fall into by chance: code by indentation, headings by underlining, references."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("js-default", {"html": False, "maxNesting": MOST_LEVELS + 2}).disable(
        ["code", "lheading", "reference"]
    )
    parser.inline.ruler.at("linkify", _keep_address)
    return parser


def _keep_address(state: "StateInline", silent: bool) -> bool:
    """An address in the text stays one: its underscores are no marks."""
    if not state.src.endswith(("http", "https"), 0, state.pos):
        return False
    found = _ADDRESS.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    rest = found.group().rstrip(_AFTER_ADDRESS)
    if not silent:
        state.pending += rest
    state.pos += len(rest)
    return len(rest) > 0


def _lines(text: str) -> list[str]:
    """As the parser counts them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


class _Rendering:
    """Of one text, whose lines tell where a blank one stood."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines

    def blocks(self, nodes: Iterable["Node"]) -> str:
        return self._joined((node, self._block(node)) for node in nodes)

    def _joined(self, parts: Iterable[tuple["Node", str]]) -> str:
        said = ""
        for node, shown in parts:
            if shown:
                gap = "\n\n" if self._has_blank_before(node) else "\n"
                said += f"{gap}{shown}" if said else shown
        return said

    def _has_blank_before(self, node: "Node") -> bool:
        begin = node.map[0] if node.map else 0
        return 0 < begin <= len(self._lines) and not self._lines[begin - 1].strip(" >\t")

    def _block(self, node: "Node") -> str:  # noqa: PLR0911 -- one for each kind
        match node.type:
            case "paragraph" | "inline":
                return "".join(map(_inline, node.children))
            case "heading":
                return _marked(BOLD, "".join(_inline(child, (BOLD,)) for child in node.children))
            case "hr":
                return RULE
            case "fence":
                return _code_block(node.content, node.info.strip())
            case "blockquote":
                return _indented(self.blocks(node.children), "> ", "> ").replace("> > ", "> ")
            case "bullet_list" | "ordered_list":
                items = enumerate(node.children)
                return self._joined((item, self._item(item, _marker(node, place))) for place, item in items)
            case "table":
                return _table(node)
            case _:
                return node.content or self.blocks(node.children)

    def _item(self, item: "Node", marker: str) -> str:
        return _indented(self.blocks(item.children), marker, " " * len(marker)) or marker.rstrip()


def _marker(node: "Node", place: int) -> str:
    if node.type == "bullet_list":
        return "- "
    return f"{int(node.attrs.get('start', 1)) + place}{node.markup} "


def _indented(text: str, first: str, others: str) -> str:
    """Nothing where there is nothing."""
    lines = text.split("\n") if text else []
    return "\n".join(f"{others if place else first}{line}".rstrip() for place, line in enumerate(lines))


def _code_block(content: str, language: str = "") -> str:
    """What stands behind its beginning names a language, or is the first of its words."""
    named = bool(content.strip()) and _LANGUAGE.fullmatch(language)
    inside = (content if named else f"{language}\n{content}").strip("\n").replace(_FENCE, "'''")
    return f"{_FENCE}\n{inside}\n{_FENCE}" if inside.strip() else ""


# --- words ------------------------------------------------------------------------------------------------------------


def _inline(node: "Node", within: tuple[str, ...] = (), *, plain: bool = False) -> str:  # noqa: PLR0911 -- one for each kind
    """``within`` are the marks around it; ``plain`` wants the words alone."""
    match node.type:
        case "inline":
            return _line(node.children, within, plain=plain)
        case "text":
            return _BREAK.sub("\n", node.content)
        case "softbreak" | "hardbreak":
            return "\n"
        case "code_inline":
            return node.content if plain or "`" in node.content else f"`{node.content}`"
        case "strong" | "em" | "s":
            mark = _MARKS[node.type]
            words = _line(node.children, (*within, mark), plain=plain)
            return words if plain or mark in within else _marked(mark, words)
        case "link":
            return _link(_line(node.children, within, plain=plain), str(node.attrs.get("href", "")))
        case "image":
            return _link(node.content, str(node.attrs.get("src", "")))
        case _:
            return node.content


def _line(nodes: Sequence["Node"], within: tuple[str, ...], *, plain: bool) -> str:
    """Words beside each other. A mark that would touch the inside of a word is none in WhatsApp."""
    said = ""
    shown = [_inline(node, within, plain=plain) for node in nodes]
    for place, (node, words) in enumerate(zip(nodes, shown, strict=True)):
        after = next((next_[0] for next_ in shown[place + 1 :] if next_), "")
        if node.type in _MARKS and (said[-1:].isalnum() or after.isalnum()):
            said += _unmarked(node, words if plain else _inline(node, within, plain=True))
        else:
            said += words
    return said


def _unmarked(node: "Node", words: str) -> str:
    """Signs of arithmetic stay: `2*3*4`."""
    is_text = node.type != "em" and any(map(str.isalpha, words))
    return words if is_text else f"{node.markup}{words}{node.markup}"


def _marked(mark: str, words: str) -> str:
    """Each line by itself, its spaces outside; none where the sign stands in the words."""
    return "\n".join(_marked_line(mark, line) for line in words.split("\n"))


def _marked_line(mark: str, line: str) -> str:
    words = line.strip()
    return line.replace(words, f"{mark}{words}{mark}", 1) if words and mark not in words else line


def _link(words: str, address: str) -> str:
    address = address.removeprefix("mailto:").removeprefix("tel:")
    if not address or words == address or words == address.partition("://")[2].rstrip("/"):
        return address or words
    return f"{words} ({address})" if words else address


# --- tables -----------------------------------------------------------------------------------------------------------


def _table(node: "Node") -> str:
    """Monospace where a telephone has room for its lines, else a list of its rows."""
    head, *rows = [row.children for part in node.children for row in part.children]
    cells = [[_cell(cell, plain=True) for cell in row] for row in (head, *rows)]
    rights = [str(cell.attrs.get("style", "")).endswith("right") for cell in head]
    lines = align(cells, rights)
    if max(map(len, lines)) <= PHONE_WIDTH:
        return _code_block("\n".join(lines))
    return "\n\n".join(_row(cells[0], [_cell(cell, plain=False) for cell in row]) for row in rows or [head])


def _cell(cell: "Node", *, plain: bool) -> str:
    return " ".join("".join(_inline(child, plain=plain) for child in cell.children).split())


def _row(head: Sequence[str], row: Sequence[str]) -> str:
    """Its first cell is what it is about."""
    named = [
        f"- {name}: {value}" if name else f"- {value}" for name, value in zip(head[1:], row[1:], strict=True) if value
    ]
    return "\n".join(filter(None, [_marked(BOLD, row[0]), *named]))
