"""Logs: JSON lines with constant names and allow-listed facts.

Whatever else a caller passes is dropped and counted: no message text, phone number or token reaches a log by accident.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, BinaryIO, Final, Literal

import msgspec

from hailgate.telemetry.events import FACTS, Event
from hailgate.telemetry.metrics import DROPPED_FACTS
from hailgate.telemetry.without_rich import structlog

Line = MutableMapping[str, Any]
# Set by ourselves on every line, whatever the caller passes.
FRAME: Final = ("event", "level", "time")
LONGEST_VALUE: Final = 200
# What every reader of JSON understands exactly.
LARGEST_NUMBER: Final = 2**53

log: Any = structlog.get_logger()


def configure_logging(level: str, form: Literal["json", "text"], stream: BinaryIO | None = None) -> None:
    """Called once by a composition root; every line goes to ``stream``, by default standard error."""
    rank = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            keep_facts,
            _render_json if form == "json" else _render_text,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(rank),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    _adopt_libraries(rank)


def keep_facts(_logger: Any, _method: str, line: Line) -> Line:
    """The wall between the program and its logs: known names pass, with short plain values; the rest is counted."""
    kept = {name: line[name] for name in FRAME if name in line}
    for name, value in line.items():
        if name in FACTS:
            kept[name] = _plain(value)
        elif name not in FRAME:
            DROPPED_FACTS.inc()
    return kept


def where(failed: BaseException) -> str:
    """The innermost place of an exception, which says much and quotes nothing."""
    frames = traceback.extract_tb(failed.__traceback__)
    return f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""


class LibraryLog(logging.Handler):
    """Lines of libraries, without their texts: those may quote an address, a URL or a value of a row."""

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, Any] = {"logger": record.name, "at": f"{record.module}:{record.lineno}"}
        if record.name.startswith("uvicorn"):
            facts["note"] = str(record.msg)
        if record.exc_info and record.exc_info[1]:
            facts["error"] = type(record.exc_info[1]).__name__
            facts["at"] = where(record.exc_info[1])
        log.log(record.levelno, Event.LIBRARY_LOGGED, **facts)


# These name every URL or every connection at "info".
_TALKATIVE = ("aiohttp", "asyncio", "httpx", "urllib3", "uvicorn")


def _adopt_libraries(rank: int) -> None:
    logging.basicConfig(level=rank, handlers=[LibraryLog()], force=True)
    logging.raiseExceptions = False
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(rank, logging.WARNING))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        text = value
    elif value is None or isinstance(value, float) or (isinstance(value, int) and abs(value) < LARGEST_NUMBER):
        return value
    else:
        text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


_encode = msgspec.json.Encoder().encode


def _render_json(_logger: Any, _method: str, line: Line) -> bytes:
    try:
        return _encode(line)
    except UnicodeEncodeError:  # a lone surrogate, for which JSON in UTF-8 has no place
        return _encode({name: _sound(value) for name, value in line.items()})


def _render_text(_logger: Any, _method: str, line: Line) -> bytes:
    time, level, event = line.pop("time"), line.pop("level"), line.pop("event")
    facts = " ".join(f"{name}={_visible(value)}" for name, value in line.items())
    return f"{time} {level:<7} {event} {facts}".rstrip().encode()


def _sound(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _visible(value: Any) -> str:
    """No line break and no terminal escape gets out of a value."""
    text = str(value)
    return text if text.isprintable() and " " not in text else ascii(text)
