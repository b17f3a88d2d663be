"""Files that are written from code, so that they cannot disagree with it: `.env.example` and the reference pages."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hailgate.commands.output import json_option, tell

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from hailgate.core.kinds import KindLimits

REFERENCE = Path("docs/reference")


@click.command(hidden=True)
@json_option
def generate(*, as_json: bool) -> None:
    """Write them into the present folder, which is a work tree of the product."""
    written = []
    for path, content in render_generated(click.get_current_context().find_root().command).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            written.append(str(path))
    tell({"written": written}, "\n".join(written) or "All of it is up to date.", as_json=as_json)


def render_generated(program: click.Command) -> Mapping[Path, str]:
    """By path, relative to the repository. ``program`` is the one whose commands are described."""
    import hailgate.providers  # noqa: F401 - errors of their own belong on the page of errors
    from hailgate.commands.errors_page import errors_page

    pages: dict[Path, Callable[[], str]] = {
        Path(".env.example"): render_example,
        REFERENCE / "settings.md": _settings_page,
        REFERENCE / "commands.md": partial(_commands_page, program),
        REFERENCE / "errors.md": errors_page,
        REFERENCE / "telemetry.md": _telemetry_page,
        REFERENCE / "kinds.md": _kinds_page,
    }
    return {path: render() for path, render in pages.items()}


# --- settings ---------------------------------------------------------------------------------------------------------


def render_example() -> str:
    from hailgate.env import SECRET_FIELDS

    lines = [
        "# Every setting with its default. Copy this file to .env and take out the # of what you change.",
        "# Variables of the process come first, then .env. A secret may lie in a file: NAME_FILE=/path.",
        "# Generated from the settings class by `make generate`; a test keeps it so.",
    ]
    for name, variable, field in _settings():
        note = f"\n# Or {variable}_FILE." if name in SECRET_FIELDS else ""
        lines.append(f"\n# {field.description}{note}\n#{variable}={_shown(field.default)}")
    return "\n".join(lines) + "\n"


def _settings_page() -> str:
    rows = [
        (f"`{variable}`", f"`{shown}`" if (shown := _shown(field.default)) else "", field.description or "")
        for _, variable, field in _settings()
    ]
    return _page(
        "Settings",
        "Variables of the process come first, then `.env` in the working directory. A secret may lie in a file that\n"
        "`NAME_FILE` names. Durations are seconds. All faults are told at once when a program starts.",
        _rows("variable | default | meaning", rows),
    )


def _settings() -> Iterator[tuple[str, str, "FieldInfo"]]:
    from hailgate.env import PREFIX, Environment

    for name, field in Environment.model_fields.items():
        yield name, f"{PREFIX}{name.upper()}", field


def _shown(default: object) -> str:
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


# --- commands ---------------------------------------------------------------------------------------------------------


def _commands_page(program: click.Command) -> str:
    sections = [_command_section(path, command) for path, command in _commands(("hailgate",), program)]
    return _page(
        "Commands",
        "Every command takes `--json` and then answers with one JSON document; an error is a problem document with\n"
        "the codes of [the API](errors.md). Without it, people get sentences and tables; advice and warnings go to\n"
        "stderr. Exit codes: 0 done, 1 not done and the sentence says why, 2 misspelt, 3 not yet done\n"
        "(`send --wait`), 130 interrupted. Where there is one tenant, `--tenant` may be left out.",
        *sections,
    )


def _commands(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, inner in command.commands.items():
        if not inner.hidden:
            yield from _commands((*path, name), inner)


def _command_section(path: tuple[str, ...], command: click.Command) -> str:
    context = click.Context(command, info_name=" ".join(path))
    usage = command.get_usage(context).removeprefix("Usage: ")
    options = [record for option in command.params if (record := option.get_help_record(context))]
    rows = [(f"`{names}`", text) for names, text in options if text and names != "--json"]
    described = cleandoc(command.help or "")
    parts = [f"## {' '.join(path)}", f"`{usage}`", described, _rows("option | meaning", rows)]
    return "\n\n".join(filter(None, parts))


# --- logs and metrics -------------------------------------------------------------------------------------------------


def _kinds_page() -> str:
    """What each provider takes, kind by kind, and what becomes of what it cannot express."""
    from hailgate.providers import PROVIDERS

    kinds = sorted({kind for spec in PROVIDERS for kind in spec.capabilities.kinds})
    head = ["| kind |", *(f" {spec.label} |" for spec in PROVIDERS)]
    rows = [
        "".join([f"| `{kind}` |", *(f" {_limits(spec.capabilities.kinds.get(kind))} |" for spec in PROVIDERS)])
        for kind in kinds
    ]
    table = "\n".join(["".join(head), "|---" * (len(PROVIDERS) + 1) + "|", *rows])
    return _page(
        "Kinds of message",
        "What a channel's provider takes of each kind. What it cannot express is sent in its nearest form where the "
        "table says so, and refused before it is accepted where it says `-`.",
        table,
        "Questions that go as text are numbered. While such a question is the business's newest message in the "
        "conversation, for a day, a person's text that is exactly one of its numbers or titles comes in as the reply "
        "to it: `interactive` with `list_reply`, `button_reply` or `poll_reply`, and the person's words beside it in "
        "`text`. For a poll that takes several, numbers or titles with commas between them are one vote. In groups, "
        "and where the words name two choices, it stays text.",
        "Where the table does not say `mentions`, a text that mentions people goes as it is: its words, and nobody is "
        "called by name. Where it does not say `of all`, the same holds for `mention_all`.",
    )


def _limits(limits: "KindLimits | None") -> str:
    if limits is None:
        return "-"
    told = [f"as {limits.degrades_to}"] if limits.degrades_to else []
    told += [f"{limits.text:,} characters"] if limits.text else []
    told += ["words alone"] if limits.words_only else []
    told += [f"caption of {limits.caption:,}"] if limits.caption else []
    told += [f"{limits.bytes / (1 << 20):g} MB"] if limits.bytes else []
    told += [f"{limits.options} options"] if limits.options else []
    told += ["mentions of all" if limits.mentions_all else "mentions"] if limits.mentions else []
    return ", ".join(told) or "yes"


def _telemetry_page() -> str:
    from hailgate.telemetry.events import FACTS, Event

    return _page(
        "Log events and metrics",
        "A log line is one JSON object with `time`, `level`, `event` and facts. Nothing else gets into one: no\n"
        "message text, no phone number, no token.",
        "## Events",
        _rows("event | meaning", [(f"`{event}`", event.sentence) for event in Event]),
        "## Facts",
        _rows("fact | meaning", [(f"`{name}`", meaning) for name, meaning in FACTS.items()]),
        "## Metrics",
        "At `/metrics`, besides those of the process and of Python.",
        _rows("metric | type | labels | meaning", _metrics()),
    )


def _metrics() -> list[tuple[str, ...]]:
    from prometheus_client.metrics import MetricWrapperBase

    from hailgate.telemetry import metrics

    ours = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    return sorted(
        (
            f"`{family.name}{'_total' if family.type == 'counter' else ''}`",
            family.type,
            ", ".join(_labels(metric)),
            family.documentation,
        )
        for metric in ours
        for family in metric.describe()
    )


def _labels(metric: Any) -> tuple[str, ...]:
    return tuple(metric._labelnames)  # noqa: SLF001 - the client shows them nowhere else


# --- Markdown ---------------------------------------------------------------------------------------------------------


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", *parts]) + "\n"


def _rows(head: str, rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    columns = head.count("|") + 1
    lines = [f"| {head} |", "|" + "---|" * columns]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)
