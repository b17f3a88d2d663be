"""The page of the reference that lists every error: answers, ends of messages, assistants, waits."""

from collections.abc import Iterator
from typing import Final

from hailgate.core.wait_reasons import Wait
from hailgate.delivery_codes import ProviderCodes, advise, list_codes, list_provider_codes
from hailgate.problems import TURNS, answer_codes


def errors_page() -> str:
    """The content of ``docs/reference/errors.md``."""
    sections = (_HEAD, _answers(), _deliveries(), _assistants(), _waits())
    return "\n".join(line for section in sections for line in section)


_HEAD: Final = (
    "# Errors",
    "",
    "Every error is an `application/problem+json` document (RFC 9457). Compare `code`: it is stable; sentences are",
    "for people and may change. Where `retryable` is true, the same request may succeed later, after `Retry-After`",
    "seconds where the answer names them. `request_id` is also in the header `X-Request-Id` and in the logs.",
    "",
)


def _answers() -> Iterator[str]:
    yield from ("## Answers", "", "| code | status | meaning | retry |", "|---|---|---|---|")
    yield from (f"| `{c.code}` | {c.status} | {c.sentence} | {_yes(c.retryable)} |" for c in answer_codes())
    yield ""


def _deliveries() -> Iterator[str]:
    yield from (
        "## Deliveries",
        "",
        "The reasons in a message's `code` and `timeline`. What a provider reports keeps the provider's code.",
        "",
        "| code | meaning | tried again by itself | what to do where it is a message's end |",
        "|---|---|---|---|",
    )
    yield from (f"| `{c.code}` | {c.sentence} | {_yes(c.retryable)} | {advise(c.code)} |" for c in list_codes())
    yield ""
    for provider in list_provider_codes():
        yield from _of_provider(provider)


def _assistants() -> Iterator[str]:
    yield from (
        "## Assistants",
        "",
        "Why an assistant gave no answer of its own, in logs and in the timeline of what was said instead.",
        "",
        "| code | meaning | asked again |",
        "|---|---|---|",
    )
    yield from (f"| `{c.code}` | {c.sentence} | {_yes(c.retryable)} |" for c in TURNS)
    yield ""


def _waits() -> Iterator[str]:
    yield from (
        "## Waits",
        "",
        "What holds a message back, as the `waiting` entries at the end of its timeline name it. They are worked out",
        "when somebody asks; `next_at` is the earliest moment at which the message may go on.",
        "",
        "| code | meaning |",
        "|---|---|",
    )
    yield from (f"| `{wait}` | {wait.sentence} |" for wait in Wait)
    yield ""


def _of_provider(provider: ProviderCodes) -> Iterator[str]:
    yield from (f"### {provider.label}", "", "Codes of its own, and what others mean with it.", "")
    yield from ("| code | meaning | what to do |", "|---|---|---|")
    for code, note in sorted(provider.notes.items()):
        yield f"| `{code}` | {note.sentence} | {note.advice} |"
    yield ""


def _yes(value: bool) -> str:
    return "yes" if value else "no"
