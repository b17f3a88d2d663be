"""`hailgate backup` and `hailgate restore`: everything in one file that only its owner can open, and the way back."""

import time
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from hailgate.commands.bootstrap import open_store, pass_pooler, prepare_models
from hailgate.commands.output import json_option, moment, print_note, tell
from hailgate.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyrage import x25519

    from hailgate.backup.archive import BackupPart
    from hailgate.backup.manifest import Manifest

FILE = click.Path(path_type=Path, dir_okay=False)
file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
identity_option = click.option(
    "--identity", type=click.File(), help="File with the age identity that opens it; - takes it from standard input."
)
files_option = click.option(
    "--without-files", is_flag=True, help="Leave the store of files aside: its bucket has a backup of its own."
)


@click.group(invoke_without_command=True)
@click.option("--to", "place", type=FILE, metavar="FILE", help="Default: a new file in the folder backups in HOME.")
@click.option("--recipient", "recipients", multiple=True, metavar="KEY", help="Instead of HAILGATE_BACKUP_RECIPIENTS.")
@click.option(
    "--keys-kept-elsewhere", is_flag=True, help="Leave the sealing keys out: without them a backup cannot be read."
)
@files_option
@json_option
@click.pass_context
def backup(context: click.Context, /, place: Path | None, recipients: tuple[str, ...], **told: bool) -> None:
    """Write everything into one encrypted file, while the product runs, and read it back.

    Database, files, spooled webhooks and sealing keys, for whoever has the identity of a recipient key. Beside it lies
    a manifest with counts and hashes.
    """
    if context.invoked_subcommand is not None:
        return
    from hailgate.backup.encryption import parse_recipients

    pass_pooler()
    with open_store() as env:
        from hailgate.backup.making import Sources, make_backup
        from hailgate.messaging.files.storage import open_files

        keys = () if told["keys_kept_elsewhere"] else env.sealing_keys
        files = None if told["without_files"] else open_files(env.home, env.media_url)
        sources = Sources(version("hailgate"), keys, env.spool_path, files)
        to = place or env.home / "backups" / time.strftime("hailgate-%Y%m%dT%H%M%SZ.age", time.gmtime())
        manifest = make_backup(sources, to, parse_recipients(recipients or env.backup_recipients))
    tell(_summary(manifest, file=str(to)), f"{to}: {_counts(manifest)}.", as_json=told["as_json"])


@backup.command("key")
@json_option
def make_key(*, as_json: bool) -> None:
    """Make an identity and its recipient key. Nothing is stored: keep the identity away from this machine."""
    from hailgate.backup.encryption import make_identity

    identity, recipient = make_identity()
    text = f"# recipient: {recipient}\n{identity}"
    tell({"identity": identity, "recipient": recipient}, text, as_json=as_json)
    if not as_json:
        print_note("Keep the line that begins with AGE-SECRET-KEY- where backups are not: it is what opens them.")


@backup.command("verify")
@file_argument
@identity_option
@json_option
def verify(file: Path, identity: Any, *, as_json: bool) -> None:
    """Whether a backup is whole: against the manifest beside it or, with --identity, by reading all of it."""
    prepare_models()
    from hailgate.backup.opening import verify_closed, verify_open

    if identity is None:
        manifest = verify_closed(file)
        text = f"It is the file that was written: {_counts(manifest)}. With --identity all of it is read."
    else:
        manifest = verify_open(file, _identities(identity))
        text = f"All of it can be read: {_counts(manifest)}."
    tell(_summary(manifest, file=str(file)), text, as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True), required=False)
@identity_option
@click.option("--in-place", is_flag=True, help="The database was brought back otherwise: only settle what waits in it.")
@files_option
@json_option
def restore(file: Path | None, identity: Any, *, in_place: bool, without_files: bool, as_json: bool) -> None:
    """Bring a backup back onto an empty store. It starts held: nothing leaves until `hailgate release`.

    Everything that waited in the backup is unknown then, since it may have been sent: see `hailgate deadletters`.
    """
    if in_place == (file is not None):
        raise InputError("name a backup, or say --in-place", field="file")
    pass_pooler()
    if in_place:
        _settle_in_place(as_json=as_json)
        return
    if identity is None:
        raise InputError("--identity is needed: the file that opens the backup", field="identity")
    assert file is not None  # noqa: S101 -- said above
    _restore(file, _identities(identity), without_files=without_files, as_json=as_json)


def _restore(file: Path, identities: "list[x25519.Identity]", *, without_files: bool, as_json: bool) -> None:
    from hailgate.backup.opening import opened

    with opened(file, identities) as backup:
        parts = _take_keys(backup.parts())
        with open_store() as env:
            from hailgate.backup.restoring import RestoreTarget, check_empty, restore
            from hailgate.commands.schema import apply_migrations
            from hailgate.messaging.files.storage import open_files

            files = None if without_files else open_files(env.home, env.media_url)
            check_empty(env.spool_path)
            done = restore(backup, parts, RestoreTarget(env.spool_path, files), env.hold_s)
            apply_migrations()
    told = {"unknown": done.settled.unknown, "turns": done.settled.turns, "seconds": round(done.seconds, 1)}
    text = (
        f"Restored in {done.seconds:.0f} s: {_counts(done.manifest)}. {done.settled.unknown} messages are unknown. "
        "It is held: look at them, then `hailgate release`."
    )
    tell(_summary(done.manifest, file=str(file)) | told, text, as_json=as_json)


def _take_keys(parts: "Iterator[BackupPart]") -> "Iterator[BackupPart]":
    """The sealing keys stand first, and are taken before a store is opened, which would make others."""
    from hailgate.backup.keys import check_has_keys, take_keys
    from hailgate.backup.making import KEYS
    from hailgate.env import load_environment

    env = load_environment()
    first = next(parts)
    if first.name == KEYS:
        take_keys(first.data, env)
        return parts
    check_has_keys(env)
    return chain([first], parts)


def _settle_in_place(*, as_json: bool) -> None:
    with open_store() as env:
        from hailgate.messaging.upkeep.restored import settle_restored

        settled = settle_restored(env.hold_s)
    text = f"{settled.unknown} messages are unknown. It is held: look at them, then `hailgate release`."
    tell(settled._asdict(), text, as_json=as_json)


def _identities(file: "TextIO") -> "list[x25519.Identity]":
    from hailgate.backup.encryption import parse_identities

    return parse_identities(file.read())


def _summary(manifest: "Manifest", **more: Any) -> dict[str, Any]:
    return more | {
        "taken_at": moment(manifest.head.taken_at),
        "version": manifest.head.version,
        "rows": manifest.rows,
        "messages": _messages(manifest),
        "files": manifest.files,
        "missing_files": manifest.missing,
        "spooled": manifest.spooled,
        "keys": manifest.keys,
        "sha256": manifest.sha256 or None,
    }


def _counts(manifest: "Manifest") -> str:
    taken = moment(manifest.head.taken_at)
    keys = "with its sealing keys" if manifest.keys else "without sealing keys"
    return f"{_messages(manifest)} messages and {manifest.files} files as of {taken}, {keys}"


def _messages(manifest: "Manifest") -> int:
    table = manifest.tables.get("messaging_message")
    return table.rows if table else 0
