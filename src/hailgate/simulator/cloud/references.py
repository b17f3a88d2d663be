"""What a send refers to: files, templates, groups, user ids. Each function reads the store."""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from hailgate.simulator import files, groups, phones
from hailgate.simulator.cloud import library, media
from hailgate.simulator.cloud.calls import SendCall
from hailgate.simulator.cloud.content import MEDIA_KINDS
from hailgate.simulator.cloud.errors import GraphError, no_such_media
from hailgate.simulator.cloud.templates import check_may_send, fill, list_media
from hailgate.simulator.cloud.wire import account_of
from hailgate.simulator.model import Channel, Failure, File


class Prepared(msgspec.Struct, frozen=True):
    """The message as the phone shows it, a template's category, and why it fails whoever it goes to."""

    message: Mapping[str, Any]
    category: str | None = None
    doom: Failure | None = None


def needs_store(call: SendCall) -> bool:
    return call.to_group or call.message["type"] in {*MEDIA_KINDS, "template", "interactive"}


def resolve_user(db: sqlite3.Connection, call: SendCall) -> SendCall:
    """The call with the number of the phone whose user id it names; an id that nobody has stays as it is."""
    return replace(call, to=phones.resolve_user_id(db, call.to))


def prepare(db: sqlite3.Connection, channel: Channel, call: SendCall, now: float) -> Prepared:
    """Raises the GraphError that Meta would answer with."""
    if call.to_group and len(groups.list_members(db, call.to, channel.number)) == 0:
        raise GraphError(131041, "The group is unknown, or this number is not in it.")
    message, dooms = dict(call.message), []
    for kind, named, path in list_named_media(message):
        file = get_file(db, channel, named, path, now)
        dooms.append(media.find_fault(kind, named, file))
        if file:
            named |= {"mime_type": file.mime_type, "sha256": file.sha256, "size": file.size}
            if file.filename and "filename" not in named:
                named["filename"] = file.filename
    doom = next((doom for doom in dooms if doom), None)
    if message["type"] != "template":
        return Prepared(message, doom=doom)
    template = message["template"]
    language = template["language"]["code"]
    found = library.find_template(db, account_of(channel), template["name"], language)
    known = check_may_send(found, template["name"], language, by_user_id=call.by_user_id)
    message["shown"] = fill(known, template.get("components", []))
    return Prepared(message, known.category, doom)


def list_named_media(message: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Kind, object and path of each medium; the objects are the message's own."""
    kind = message["type"]
    if kind in MEDIA_KINDS:
        yield kind, message[kind], kind
    elif kind == "interactive":
        header = message[kind].get("header", {})
        if header.get("type") in MEDIA_KINDS:
            yield header["type"], header[header["type"]], f"interactive['header']['{header['type']}']"
    elif kind == "template":
        for found, named in list_media(message[kind]):
            yield found, named, found


def get_file(db: sqlite3.Connection, channel: Channel, named: Mapping[str, Any], path: str, now: float) -> File | None:
    """None for media by link."""
    if "link" in named:
        return None
    file = files.find_file(db, str(named.get("id")))
    if file is None or not media.is_there(file, channel, now):
        raise no_such_media(f"{path}['id']")
    return file
