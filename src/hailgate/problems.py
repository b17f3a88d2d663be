"""How an error reads outside: RFC 9457 problem details with a stable code, and what each code means."""

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from hailgate.core.errors import (
    AccessError,
    HailgateError,
    InputError,
    RateLimited,
    SignatureInvalid,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE: Final = "application/problem+json"
PAGE: Final = "/v1/docs/errors"


class Problem(Struct, frozen=True, kw_only=True):
    """The body of every answer that is an error. ``field`` names what to change, where it is one field."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    retryable: bool
    request_id: str
    field: str | UnsetType = UNSET


# --- errors that only HTTP knows --------------------------------------------------------------------------------------


class MethodNotAllowed(InputError):  # noqa: N818 -- named as its siblings in core.errors
    """The address does not answer to this method."""

    status = 405
    title = "Method not allowed"
    code = "method_not_allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__()
        self.allowed = tuple(allowed)


class BodyTooSlow(InputError):  # noqa: N818
    """The body did not arrive in time; send it again over a better line."""

    status = 408
    title = "Body too slow"
    retryable = True
    code = "body_too_slow"


# --- rendering --------------------------------------------------------------------------------------------------------


def describe(error: HailgateError, request_id: str) -> Problem:
    """``detail`` is a sentence of ours by the rule of ``core.errors``; an exception's own text never gets here.

    ``instance`` names the request and not its path: the path of a hook holds a secret.
    """
    return Problem(
        type=f"{PAGE}#{error.code}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        instance=f"urn:hailgate:request:{request_id}",
        code=error.code,
        retryable=error.retryable,
        request_id=request_id,
        field=(error.field or UNSET) if isinstance(error, InputError) else UNSET,
    )


def headers_of(error: HailgateError) -> dict[str, str]:
    """What an answer with this error must say besides its body."""
    match error:
        case RateLimited():
            return {**error.headers, "Retry-After": str(max(1, math.ceil(error.retry_after)))}
        case Unavailable():
            return {"Retry-After": str(max(1, round(error.retry_after)))}
        case Unauthenticated():
            return {"WWW-Authenticate": 'Bearer realm="hailgate"'}
        case SignatureInvalid():
            return {"WWW-Authenticate": 'Signature realm="hailgate"'}
        case MethodNotAllowed():
            return {"Allow": ", ".join(error.allowed)}
        case _:
            return {}


def encode(problem: Problem) -> bytes:
    return msgspec.json.encode(problem)


# --- the documented codes ---------------------------------------------------------------------------------------------


class Code(NamedTuple):
    """``status`` is 0 for what is never an answer but stands in a message's timeline."""

    code: str
    status: int
    title: str
    sentence: str
    retryable: bool


# Codes that are narrower than their class, as raised with ``code=``.
NARROWER: Final = (
    Code("invalid_content", 422, "Invalid request", "What the message says is not what its channel can send.", False),
    Code("template_unavailable", 422, "Invalid request", "The template does not exist or may not be sent now.", False),
    Code("templates_nowhere", 422, "Invalid request", "The channel does not say where its templates are.", False),
    Code("templates_unsupported", 422, "Invalid request", "The channel's provider has no templates.", False),
    Code("invalid_address", 422, "Invalid request", "The recipient's address is not in a form that exists.", False),
    Code("file_too_large", 413, "Body too large", "The file is larger than files of its kind may be.", False),
    Code("file_refused", 422, "Invalid request", "The file is empty, damaged, or unfolds to too much.", False),
    Code("media_removed", 404, "Not found", "The file was kept for its days and is removed.", False),
    Code("url_refused", 422, "Invalid request", "The URL may not be called from here.", False),
    Code("voice_unavailable", 422, "Invalid request", "Voice notes cannot be made here without the extra.", False),
    Code("unknown_attachment", 422, "Invalid request", "There is no stored file of this id, or not any more.", False),
    Code("unknown_channel", 422, "Invalid request", "There is no active channel of this id or name.", False),
    Code("unknown_pattern", 422, "Invalid request", "There is no pattern of this name in this language.", False),
    Code("unknown_context", 422, "Invalid request", "The answered message is not known or not sent.", False),
    Code("invalid_idempotency_key", 422, "Invalid request", "It needs 1 to 128 visible characters.", False),
    Code("invalid_cursor", 422, "Invalid request", "The cursor is not one that this list gave out.", False),
    Code("not_cancellable", 409, "Conflict", "The message has left, has ended, or may have been sent.", False),
    Code("unpriced", 409, "Conflict", "A budget in money needs a price for every model that answers.", False),
    Code("not_editable", 409, "Conflict", "The message has not failed, or is on its way again.", False),
    Code("invalid_schedule", 422, "Invalid request", "The times to send or to expire do not fit together.", False),
    Code("bad_host", 400, "Malformed body", "The request must name its Host exactly once.", False),
    Code("no_pairing_code", 404, "Not found", "There is no pairing code to show now.", True),
    Code("not_unknown", 409, "Conflict", "Only a message whose outcome is unknown can be settled.", False),
    Code("not_joined", 409, "Conflict", "Only a join that stands can be undone.", False),
    Code("not_suggested", 409, "Conflict", "This question has been answered already.", False),
    Code("store_not_empty", 409, "Conflict", "A backup is restored onto an empty store.", False),
    Code("one_person", 422, "Invalid request", "These two are one person already.", False),
    Code("id_missing", 422, "Invalid request", "The envelope has no id, and AMQP no message_id.", False),
    Code("unknown_tenant", 422, "Invalid request", "There is no tenant of this name or id.", False),
    Code("tenant_inactive", 422, "Invalid request", "The tenant is not active.", False),
    Code("password_too_plain", 422, "Invalid request", "The password is among the first that are tried.", False),
)
# Ends of a message that no provider reported and no error class names.
ENDINGS: Final = (
    Code("address_unsupported", 0, "Delivery failed", "The provider cannot send to this kind of address.", False),
    Code("attempts_exhausted", 0, "Delivery failed", "Every attempt failed; the timeline says why.", False),
    Code("cancelled", 0, "Delivery failed", "Somebody took the message back before it was sent.", False),
    Code("expired", 0, "Delivery failed", "The message was not sent before it expired.", False),
    Code("file_removed", 0, "Delivery failed", "The file that the message names is not stored any more.", False),
    Code("media_gone", 0, "Delivery failed", "The provider does not have the file, or not any more.", False),
    Code("media_unsupported", 0, "Delivery failed", "The provider has no files to give or to take.", False),
    Code("not_sent", 0, "Delivery failed", "Somebody has looked: the person did not get it.", False),
    Code("poison", 0, "Delivery failed", "The program ended several times while it prepared this message.", False),
    Code("suppressed", 0, "Delivery failed", "The recipient does not want messages from you.", False),
    Code("unreadable_content", 0, "Delivery failed", "The stored content could not be read again.", False),
    Code("window_closed", 0, "Delivery failed", "The person has not written for too long for free text.", False),
    Code(
        "restored",
        0,
        "Outcome unknown",
        "It waited in a backup that was restored, and may have been sent since.",
        False,
    ),
    Code("worker_lost", 0, "Outcome unknown", "The worker ended while it was sending this message.", False),
    Code("unsupported_content", 0, "Delivery failed", "The channel's provider cannot carry this.", False),
    Code(
        "credentials_renewed",
        0,
        "Delivery failed",
        "The channel's credentials were renewed; the message is tried again.",
        True,
    ),
    Code(
        "tenant_pending", 0, "Delivery failed", "The tenant service is being asked for the channel's credentials.", True
    ),
    Code("channel_unknown", 0, "Delivery failed", "The tenant service knows no such channel.", False),
)

# What an assistant's failure is called in logs and in the timeline of what was said instead.
TURNS: Final = (
    Code("model_timeout", 0, "Assistant failed", "The model did not answer in its time.", True),
    Code("model_hung", 0, "Assistant failed", "The process that asks models hung and was ended.", True),
    Code("model_starting", 0, "Assistant failed", "The process that asks models was still starting.", True),
    Code("model_process_ended", 0, "Assistant failed", "The process that asks models ended.", True),
    Code("model_throttled", 0, "Assistant failed", "The model's vendor asks for a slower pace.", True),
    Code("model_unavailable", 0, "Assistant failed", "The model's vendor is in trouble.", True),
    Code("model_unauthorized", 0, "Assistant failed", "The model's vendor refuses the key.", False),
    Code(
        "model_refused", 0, "Assistant failed", "The model's vendor refuses the call; look at the model's name.", False
    ),
    Code("model_garbled", 0, "Assistant failed", "The model answered with something that is no answer.", True),
    Code("model_empty", 0, "Assistant failed", "The model answered with nothing.", True),
    Code("model_failed", 0, "Assistant failed", "The call of the model failed.", True),
    Code(
        "address_refused",
        0,
        "Assistant failed",
        "The model's address lies inside and is not in HAILGATE_PRIVATE_TARGETS.",
        False,
    ),
    Code(
        "vendor_unsupported",
        0,
        "Assistant failed",
        "The vendor is not known, or the extra `ai` is not installed.",
        False,
    ),
)


ANSWERS: Final[Sequence[type[HailgateError]]] = (InputError, AccessError, Unavailable)


def answer_codes() -> list[Code]:
    """Everything that an HTTP answer's ``code`` can be, sorted by status."""
    classes: list[type[HailgateError]] = [
        HailgateError,
        *family(InputError),
        *family(AccessError),
        *family(Unavailable),
    ]
    codes = {cls.code: code_of(cls) for cls in classes} | {code.code: code for code in NARROWER}
    return sorted(codes.values(), key=lambda code: (code.status, code.code))


def family(root: type[HailgateError]) -> Iterator[type[HailgateError]]:
    """The class and all below it."""
    yield root
    for child in root.__subclasses__():
        yield from family(child)


def code_of(cls: type[HailgateError]) -> Code:
    sentence = (cls.__doc__ or cls.title).strip().splitlines()[0]
    return Code(cls.code, cls.status, cls.title, sentence, cls.retryable)
