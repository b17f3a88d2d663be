"""Calls that succeed: for each operation of the OpenAPI document, what has to be there first, and what to ask."""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final, NamedTuple

import msgspec

import given
from api.conftest import Told
from hailgate.api.examples import BODIES
from messaging import acting


class GoodCall(NamedTuple):
    """`path` fills the holes of the address; a body is JSON, but for `media`."""

    path: dict[str, Any] = {}
    query: dict[str, Any] = {}
    body: Any = None
    media: str = "application/json"
    headers: dict[str, str] = {}


@dataclass
class Clinic:
    """`answered` calls the site: some calls need what another one answered."""

    channel: Any
    hook: Any
    told: Told
    answered: Callable[..., Any]
    examples: dict[str, Iterator[dict[str, Any]]] = field(default_factory=dict)

    @property
    def of_channel(self) -> GoodCall:
        return GoodCall({"channel_id": self.channel.uid})

    @property
    def of_conversation(self) -> GoodCall:
        return GoodCall({"conversation_id": self.told.conversation.uid})

    def of_body(self, name: str, /, **path: Any) -> GoodCall:
        """The next example that the document has for this body, with what is there in the place of what is not."""
        body = dict(next(self.examples.setdefault(name, cycle(BODIES[name].values()))))
        return GoodCall(path, body=_with_what_is_there(body, self))


def _with_what_is_there(body: dict[str, Any], clinic: Clinic) -> dict[str, Any]:
    if "messages" in body:
        return {"messages": [_with_what_is_there(each, clinic) for each in body["messages"]]}
    if "channel" in body:
        body["channel"] = clinic.channel.name
    if "pattern" in body:
        from hailgate.messaging.assistants.patterns import set_pattern

        set_pattern(clinic.channel.tenant_id, "greeting", "en", "Hello {{name}}!")
    if body.get("type") == "image":  # the file that is there is a PDF
        del body["image"]
        body |= {"type": "document", "document": {"attachment": clinic.answered("upload_media")["id"]}}
    if body.get("interactive", {}).get("type") == "poll":  # the channel that is there has none
        del body["interactive"]
        body |= {"type": "text", "text": {"body": "Friday or Saturday?"}}
    if "template" in body:
        body["template"] = {"name": "order_update", "language": {"code": "en_US"}}
    return body


# --- what has to be there first ---------------------------------------------------------------------------------------


def _cancel(clinic: Clinic) -> GoodCall:
    return GoodCall({"message_id": acting.send(clinic.channel, 7, "Soon.").uid})


def _end(clinic: Clinic, error: Any) -> Any:
    worker, message = acting.new_worker(), acting.send(clinic.channel, secrets.randbelow(90_000) + 100, "Hello?")
    for claim in acting.claim(worker):
        acting.attempt(worker, claim)
        acting.tell(worker, acting.failed(claim, error) if claim.message_id == message.id else acting.sent(claim))
    return message


def _dead(clinic: Clinic) -> Any:
    from hailgate.core.errors import Rejected

    return _end(clinic, Rejected("The provider refuses it."))


def _parked(clinic: Clinic) -> Any:
    from hailgate.core.errors import OutcomeUnknown

    return _end(clinic, OutcomeUnknown())


def _contacts(clinic: Clinic) -> dict[str, str]:
    """Two who wrote, and are strangers to each other as far as anybody knows."""
    numbers = secrets.randbelow(90_000) + 100, secrets.randbelow(90_000) + 100_000
    acting.apply(clinic.channel, *(acting.wrote(clinic.channel, each, at=acting.NOON) for each in numbers))
    newest = clinic.answered("list_conversations", query={"limit": 2})["items"]
    return {"one": newest[0]["contact"]["id"], "other": newest[1]["contact"]["id"]}


def _joined(clinic: Clinic) -> GoodCall:
    clinic.answered("join_contacts")
    [join] = clinic.answered("list_joins", query={"state": "joined", "limit": 1})["items"]
    return GoodCall({"join_id": join["id"]})


def _suggested(clinic: Clinic) -> GoodCall:
    """A Brazilian number with a ninth digit and without it, and not of a range that is known to have one."""
    from hailgate.core.address import Address, AddressKind

    tail = secrets.randbelow(10_000_000) + 10_000_000
    acting.apply(clinic.channel, acting.wrote(clinic.channel, Address(AddressKind.PHONE, f"5571{tail}")))
    acting.send(clinic.channel, Address(AddressKind.PHONE, f"55719{tail}"))
    [join] = clinic.answered("list_joins", query={"state": "suggested", "limit": 1})["items"]
    return GoodCall({"join_id": join["id"]})


def _code(clinic: Clinic) -> GoodCall:
    from pairing import show_code

    show_code(clinic.channel)
    return clinic.of_channel


def _another_phone(clinic: Clinic) -> GoodCall:
    from hailgate.core.sessions import SessionState
    from pairing import see

    clinic.answered("change_session", body={"wish": "open"})
    see(clinic.channel, SessionState.OPEN, number=f"1555{secrets.randbelow(9_000_000) + 1_000_000}")
    return clinic.of_channel


def _wished(clinic: Clinic) -> GoodCall:
    clinic.answered("change_session")
    return clinic.of_channel


def _failed_file(clinic: Clinic) -> GoodCall:
    from hailgate.core.media import RemoteMedia
    from hailgate.messaging.models import Attachment, AttachmentState

    picture = acting.wrote(clinic.channel, 1, at=acting.NOON)
    media = RemoteMedia("image", secrets.token_hex(8))
    acting.apply(clinic.channel, msgspec.structs.replace(picture, media=media))
    attachment = Attachment.objects.get(tenant_id=clinic.channel.tenant_id, provider_id=media.provider_id)
    acting.change(attachment, state=AttachmentState.FAILED, code="media_gone")
    return GoodCall({"media_id": attachment.uid})


def _uploaded(clinic: Clinic) -> GoodCall:
    return GoodCall({"media_id": clinic.answered("upload_media")["id"]})


def _opened(clinic: Clinic) -> GoodCall:
    url = clinic.answered("make_media_link")["url"]
    return GoodCall({"token": url.rpartition("/")[2]})


def _lent(clinic: Clinic) -> GoodCall:
    from uuid import UUID

    from hailgate.messaging.files.attachments import get_stored_file
    from hailgate.messaging.outbound.file_links import make_file_link

    file = get_stored_file(clinic.channel.tenant_id, UUID(clinic.answered("upload_media")["id"]))
    path = make_file_link(acting.send(clinic.channel).id, 1, file, 3600.0)
    return GoodCall({"token": path.rpartition("/")[2]})


def _upload(_: Clinic) -> GoodCall:
    return GoodCall(body=b"%PDF-1.4 " + secrets.token_bytes(20), media="application/octet-stream")


def _shake(clinic: Clinic, **path: str) -> GoodCall:
    asked = {"hub.mode": "subscribe", "hub.verify_token": given.VERIFY_TOKEN, "hub.challenge": secrets.token_hex(4)}
    return GoodCall({"token": clinic.hook.token, **path}, asked)


def _post(clinic: Clinic, **path: str) -> GoodCall:
    body = json.loads(given.text_webhook(message_id=f"wamid.{secrets.token_hex(8)}"))
    proof = {"X-Hub-Signature-256": given.signature(json.dumps(body).encode())}
    return GoodCall({"token": clinic.hook.token, **path}, body=body, headers=proof)


def _patterned(clinic: Clinic) -> GoodCall:
    from hailgate.messaging.assistants.patterns import set_pattern

    set_pattern(clinic.channel.tenant_id, "closing", "en", "Goodbye, {{name}}.")
    return GoodCall({"name": "closing", "language": "en"})


def _nothing_first(_: Clinic) -> GoodCall:
    return GoodCall()


def _metadata(clinic: Clinic) -> GoodCall:
    acting.send(clinic.channel, 5, "Noted.", metadata='{"order":"17"}')
    return GoodCall(query={"channel": clinic.channel.name, "metadata[order]": "17"})


GOOD_CALLS: Final[dict[str, Callable[[Clinic], GoodCall]]] = {
    "find_messages": _metadata,
    "create_message": lambda clinic: clinic.of_body("create_message"),
    "create_batch": lambda clinic: clinic.of_body("create_batch"),
    "get_message": lambda clinic: GoodCall({"message_id": clinic.told.delivered.uid}),
    "cancel_message": _cancel,
    "list_conversations": _nothing_first,
    "get_conversation": lambda clinic: clinic.of_conversation,
    "list_messages": lambda clinic: clinic.of_conversation,
    "hand_over": lambda clinic: clinic.of_conversation._replace(body={"to": "person"}),
    "list_joins": _nothing_first,
    "join_contacts": lambda clinic: GoodCall(body=_contacts(clinic)),
    "take_suggestion": _suggested,
    "dismiss_suggestion": _suggested,
    "undo_join": _joined,
    "get_consent": lambda clinic: GoodCall({"contact_id": _contacts(clinic)["one"]}),
    "set_consent": lambda clinic: clinic.of_body("set_consent", contact_id=_contacts(clinic)["one"]),
    "list_patterns": _nothing_first,
    "set_pattern": lambda clinic: clinic.of_body("set_pattern", name="greeting", language="en"),
    "remove_pattern": _patterned,
    "name_contact": lambda clinic: clinic.of_body("name_contact", contact_id=_contacts(clinic)["one"]),
    "list_channels": _nothing_first,
    "pause_channel": lambda clinic: clinic.of_channel,
    "resume_channel": lambda clinic: clinic.of_channel,
    "get_session": _wished,
    "change_session": lambda clinic: clinic.of_body("change_session", channel_id=clinic.channel.uid),
    "get_pairing_code": _code,
    "confirm_number": _another_phone,
    "list_templates": _nothing_first,
    "get_template": lambda clinic: GoodCall({"template_id": clinic.told.template.uid}),
    "get_template_sync": lambda clinic: clinic.of_channel,
    "sync_templates": lambda clinic: clinic.of_channel,
    "list_dead_letters": _nothing_first,
    "list_causes": _nothing_first,
    "revive_dead_letters": lambda clinic: GoodCall(body={"ids": [str(_dead(clinic).uid)]}),
    "revive_all_dead_letters": lambda clinic: GoodCall(body={"channel": clinic.channel.name, "state": "dead"}),
    "dismiss_dead_letters": lambda clinic: GoodCall(body={"ids": [str(_dead(clinic).uid)]}),
    "settle_dead_letter": lambda clinic: clinic.of_body("settle_dead_letter", message_id=_parked(clinic).uid),
    "edit_dead_letter": lambda clinic: clinic.of_body("edit_dead_letter", message_id=_dead(clinic).uid),
    "export_dead_letters": _nothing_first,
    "make_media_link": _uploaded,
    "list_failed_media": _nothing_first,
    "fetch_media_again": _failed_file,
    "list_audit": _nothing_first,
    "get_costs": lambda _: GoodCall(query={"month": "2026-10"}),
    "get_spending": _nothing_first,
    "stop_assistants": _nothing_first,
    "resume_assistants": _nothing_first,
    "upload_media": _upload,
    "download_media": _uploaded,
    "open_media_link": _opened,
    "fetch_file_link": _lent,
    "answer_handshake": _shake,
    "answer_handshake_below": lambda clinic: _shake(clinic, rest="deeper"),
    "receive_webhook": _post,
    "receive_webhook_below": lambda clinic: _post(clinic, rest="deeper"),
}
