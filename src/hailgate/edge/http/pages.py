"""The few pages of the edge: plain HTML whose one style sheet is pinned by its hash; nothing else is allowed in."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Final

from hailgate import problems
from hailgate.delivery_codes import list_codes, list_provider_codes

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #16211c; --paper: #fbfaf7; --line: #d9d5cb; --accent: #0b6e4f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e6df; --paper: #141815; --line: #333a35; --accent: #5fd3a4; }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 system-ui, sans-serif; }
main { max-width: 34rem; margin: 12vh auto; padding: 0 1.5rem; }
main.wide { max-width: 56rem; margin: 3rem auto; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .25rem; letter-spacing: -.01em; }
h2 { margin: 2.5rem 0 .5rem; font-size: 1.25rem; }
a { color: var(--accent); }
nav { margin-top: 2rem; border-top: 1px solid var(--line); }
nav a { display: block; padding: .85rem 0; border-bottom: 1px solid var(--line); }
nav a { color: inherit; text-decoration: none; }
nav a strong { color: var(--accent); display: block; }
nav a:hover strong, nav a:focus-visible strong { text-decoration: underline; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; }
th, td { text-align: left; vertical-align: top; padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line); }
tr:target { background: color-mix(in srgb, var(--accent) 15%, transparent); }
code { font: .875em ui-monospace, monospace; white-space: nowrap; }
"""
_STYLE_HASH: Final = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="/icon.svg">
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""

_START: Final = """<main>
<h1>Hailgate</h1>
<p>A WhatsApp gateway, assistant and inbox that loses no message. It runs here.</p>
<nav aria-label="Where to go">
<a href="/console/"><strong>Console</strong>Read conversations, answer, take over from the assistant.</a>
<a href="/v1/docs"><strong>API reference</strong>Send, receive and look up messages; try each call.</a>
<a href="/v1/docs/errors"><strong>Errors</strong>Every code that the API answers with, and what it means.</a>
<a href="/health"><strong>Health</strong>How the parts of this installation are.</a>
</nav>
</main>"""

_ERRORS: Final = """<main class="wide">
<p><a href="/v1/docs">API reference</a></p>
<h1>Errors</h1>
<p>Every error is an <code>application/problem+json</code> document. Compare its <code>code</code>: it is stable.
<code>request_id</code> is also in the header <code>X-Request-Id</code> and in the logs.</p>
<h2>Answers</h2>
<div class="scroll"><table>
<thead><tr><th scope="col">Code</th><th scope="col">Status</th><th scope="col">Meaning</th>
<th scope="col">Retry</th></tr></thead>
<tbody>
{answers}
</tbody>
</table></div>
<h2>Deliveries</h2>
<p>Why an attempt or a message failed, in its <code>code</code> and <code>timeline</code>.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Code</th><th scope="col">Meaning</th>
<th scope="col">Tried again by itself</th></tr></thead>
<tbody>
{deliveries}
</tbody>
</table></div>
<h2>Providers</h2>
<p>What single providers add to these.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Code</th><th scope="col">Meaning</th><th scope="col">What to do</th></tr></thead>
<tbody>
{own}
</tbody>
</table></div>
</main>"""


ICON: Final = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" \
fill="#0b6e4f"/><path d="M9 7v18M23 7v18M9 16h14" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>"""
_QUOTED: Final = re.compile("`([^`]+)`")


@cache
def start_page() -> str:
    return _PAGE.format(title="Hailgate", style=_STYLE, body=_START)


@cache
def errors_page() -> str:
    answers = "\n".join(
        _row(code.code, str(code.status), code.sentence, "yes" if code.retryable else "no")
        for code in problems.answer_codes()
    )
    deliveries = "\n".join(_row(code.code, code.sentence, "yes" if code.retryable else "no") for code in list_codes())
    body = _ERRORS.format(answers=answers, deliveries=deliveries, own="\n".join(_own_rows()))
    return _PAGE.format(title="Errors · Hailgate", style=_STYLE, body=body)


def _own_rows() -> Iterator[str]:
    """Only what is not ours has an anchor of its own."""
    ours = {code.code for code in list_codes()}
    notes = {code: note for provider in list_provider_codes() for code, note in provider.notes.items()}
    for code in sorted(notes.keys() - ours):
        yield _row(code, notes[code].sentence, notes[code].advice)


def _row(code: str, *cells: str) -> str:
    """The anchor is what a problem's ``type`` points to."""
    marked = (_QUOTED.sub(r"<code>\1</code>", escape(cell)) for cell in cells)
    rest = "".join(f"<td>{cell}</td>" for cell in marked)
    return f'<tr id="{code}"><th scope="row"><code>{code}</code></th>{rest}</tr>'
