"""The file of a trial: which servers, with which keys, and whom they may write to."""

import stat
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

Number = Annotated[str, Meta(pattern=r"^[1-9][0-9]{6,14}$", description="Digits with country code, without a plus.")]


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`hook` and `channel` are settings by their names in the product; `may_write_to` are all who are written to."""

    provider: str
    hook: dict[str, str]
    channel: dict[str, str]
    may_write_to: Annotated[list[Number], Meta(min_length=1)]
    number: str = ""

    def __repr__(self) -> str:
        return f"<Server {self.provider}>"


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`bind` is where this machine listens, `public_url` how the servers reach it.

    For `patience_s` each step is waited for: a phone has to be paired, and people have to write.
    """

    server: Annotated[list[Server], Meta(min_length=1)]
    public_url: str
    bind: str = "0.0.0.0:8000"
    patience_s: Annotated[float, Meta(gt=0)] = 120.0


class NotAllowedError(Exception):
    """Somebody would have been written to who is not in the file."""


def read_plan(path: Path) -> Plan:
    """Raise ValueError where others may read it, or it is not understood: in words, without its secrets."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ValueError(f"{path} holds keys, and others may read it: chmod 600 {path}")
    try:
        return msgspec.convert(tomllib.loads(path.read_text()), Plan)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError) as fault:
        raise ValueError(f"{path}: {fault}") from None


def check_recipient(server: Server, number: str) -> None:
    if number not in server.may_write_to:
        raise NotAllowedError("This number is not among those that the file allows.")
