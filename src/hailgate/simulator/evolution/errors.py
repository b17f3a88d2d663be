"""Errors as Evolution API writes them: one envelope, whose `message` is text, a list, a list in a list, or objects."""

from typing import Any

from starlette.responses import Response

from hailgate.simulator.faults import Error, Throttle
from hailgate.simulator.problems import ProviderError, json_response

PHRASES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 500: "Internal Server Error"}


class EvolutionError(ProviderError):
    def __init__(self, status: int, message: Any, *, phrase: str | None = None) -> None:
        super().__init__(str(message))
        self.status = status
        self.message = message
        self.phrase = phrase or PHRASES.get(status, "Internal Server Error")

    def answer(self) -> Response:
        body = {"status": self.status, "error": self.phrase, "response": {"message": self.message}}
        return json_response(body, self.status)


class BareError(ProviderError):
    """Without the envelope."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body

    def answer(self) -> Response:
        return json_response(self.body, self.status)


def unauthorized() -> EvolutionError:
    return EvolutionError(401, "Unauthorized")


def instance_unknown(name: str) -> EvolutionError:
    return EvolutionError(404, [f'The "{name}" instance does not exist'])


def required(name: str) -> EvolutionError:
    return EvolutionError(400, [[f'instance requires property "{name}"']])


def not_on_whatsapp(jid: str, number: str) -> EvolutionError:
    return EvolutionError(400, [{"jid": jid, "exists": False, "number": number}])


def connection_closed() -> EvolutionError:
    return EvolutionError(500, "Connection Closed")


def look_up_closed() -> BareError:
    payload = {"statusCode": 428, "error": "Precondition Required", "message": "Connection Closed"}
    output = {"statusCode": 428, "payload": payload, "headers": {}}
    return BareError(400, {"data": None, "isBoom": True, "isServer": False, "output": output})


def license_required() -> BareError:
    body = {
        "error": "service not activated",
        "code": "LICENSE_REQUIRED",
        "register_url": "https://license.evolution-api.example/register",
        "message": "Activate this installation before you use it.",
    }
    return BareError(503, body)


def broken_json(reason: str) -> EvolutionError:
    return EvolutionError(400, reason, phrase="Internal Server Error")


def body_too_large() -> EvolutionError:
    return EvolutionError(413, "request entity too large", phrase="Internal Server Error")


def token_revoked() -> EvolutionError:
    return unauthorized()


def answer_throttle(throttle: Throttle) -> Response:
    """It knows no 429: WhatsApp's limit comes as a 400 whose text alone tells."""
    status = 400 if throttle.status == 429 else throttle.status
    answer = EvolutionError(status, ["Error: rate-overlimit"]).answer()
    if throttle.retry_after is not None:
        answer.headers["retry-after"] = str(throttle.retry_after)
    return answer


def answer_outage(error: Error) -> Response:
    if error.body is True:
        message: Any = ["Error: Timed Out"] if error.status == 400 else "Internal Server Error"
        return EvolutionError(error.status, message).answer()
    if error.body is False:
        return Response(status_code=error.status)
    if isinstance(error.body, str):
        return Response(error.body, error.status, media_type="text/html")
    return json_response(error.body, error.status)
