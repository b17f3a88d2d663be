"""Errors as the Graph API writes them."""

import secrets

from starlette.responses import Response

from hailgate.simulator.faults import Error, Throttle
from hailgate.simulator.model import Failure
from hailgate.simulator.problems import ProviderError, json_response

DOCS = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"

TITLES = {
    1: (400, "API Unknown"),
    2: (503, "Service temporarily unavailable"),
    4: (400, "Application request limit reached"),
    100: (400, "Invalid parameter"),
    368: (403, "Temporarily blocked for policies violations"),
    80007: (400, "Rate limit issues"),
    130429: (429, "Rate limit hit"),
    131000: (500, "Something went wrong"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (500, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131031: (403, "Account has been locked"),
    131041: (400, "Group is unknown"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131051: (400, "Unsupported message type"),
    131053: (400, "Media upload error"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    131062: (400, "Business-scoped user ID recipients are not supported for this message"),
    132000: (400, "Number of parameters does not match the expected number of params"),
    132001: (404, "Template name does not exist in the translation"),
    132005: (400, "Translated text too long"),
    132008: (400, "Parameter value is badly formatted"),
    132012: (400, "Parameter format does not match format in the created template"),
    132015: (400, "Template is paused"),
    132016: (400, "Template is disabled"),
}
TRANSIENT = frozenset({2, 4})

UNDELIVERABLE = Failure(131026, "Message undeliverable", "Message Undeliverable.")
WINDOW_CLOSED = Failure(
    131047,
    "Re-engagement message",
    "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
)
MARKETING_STOPPED = Failure(
    131050,
    "User has stopped marketing messages",
    "Unable to deliver the message. The recipient has chosen to stop receiving marketing messages from your business.",
)
NO_SUCH_MESSAGE = Failure(
    131009,
    "Parameter value is not valid",
    "The message to react to is not in this chat, was deleted, or is a reaction itself.",
)


class GraphError(ProviderError):
    """An answer other than 200, ready to be sent."""

    def __init__(
        self,
        code: int,
        details: str | None = None,
        *,
        status: int | None = None,
        message: str | None = None,
        subcode: int | None = None,
        type: str = "OAuthException",  # noqa: A002 - Meta's word
        user_title: str | None = None,
        user_msg: str | None = None,
    ) -> None:
        known_status, title = TITLES.get(code, (400, "Something went wrong"))
        super().__init__(title)
        self.status = status or known_status
        self.error = {
            "message": message or f"(#{code}) {title}",
            "type": type,
            "code": code,
            **({"error_subcode": subcode} if subcode else {}),
            **({"error_user_title": user_title, "error_user_msg": user_msg} if user_title else {}),
            **({"error_data": {"messaging_product": "whatsapp", "details": details}} if details else {}),
            "fbtrace_id": "A" + secrets.token_urlsafe(16),
            **({"is_transient": True} if code in TRANSIENT else {}),
        }

    def answer(self) -> Response:
        return json_response({"error": self.error}, self.status)


def token_missing() -> GraphError:
    message = "An active access token must be used to query information about the current user."
    return GraphError(190, status=401, message=message)


def token_wrong() -> GraphError:
    return GraphError(190, status=401, message="Invalid OAuth access token - Cannot parse access token")


def token_revoked() -> GraphError:
    message = "Error validating access token: Session has expired"
    return GraphError(190, status=401, message=message, subcode=463)


def object_unknown(node: str, method: str) -> GraphError:
    message = (
        f"Unsupported {method.lower()} request. Object with ID '{node}' does not exist, cannot be loaded due"
        " to missing permissions, or does not support this operation. Please read the Graph API documentation"
        " at https://developers.facebook.com/docs/graph-api"
    )
    return GraphError(100, message=message, subcode=33, type="GraphMethodException")


def body_too_large() -> GraphError:
    return GraphError(100, "The request body is too large.", status=413)


def no_such_media(path: str) -> GraphError:
    details = f"Param {path} is not a valid whatsapp business account media attachment ID"
    return GraphError(100, details, message="(#100) Invalid parameter")


def parameter_required(name: str) -> GraphError:
    return GraphError(100, message=f"(#100) The parameter {name} is required.")


def as_webhook_error(failure: Failure) -> dict[str, object]:
    return {
        "code": failure.code,
        "title": failure.title,
        "message": failure.title,
        "error_data": {"details": failure.details},
        "href": DOCS,
    }


def answer_throttle(throttle: Throttle) -> Response:
    details = "Cloud API message throughput has been reached." if throttle.code is None else None
    answer = GraphError(throttle.code or 130429, details, status=throttle.status).answer()
    if throttle.retry_after is not None:
        answer.headers["retry-after"] = str(throttle.retry_after)
    return answer


def answer_outage(error: Error) -> Response:
    if error.body is True:
        code = error.code or (131016 if error.status >= 500 else 131000)
        return GraphError(code, status=error.status).answer()
    if error.body is False:
        return Response(status_code=error.status)
    if isinstance(error.body, str):
        return Response(error.body, error.status, media_type="text/html")
    return json_response(error.body, error.status)
