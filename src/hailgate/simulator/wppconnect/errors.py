"""Errors as WPPConnect Server writes them, a shape for each occasion; some in Portuguese."""

from typing import Any

from starlette.responses import Response

from hailgate.simulator.faults import Error, Throttle
from hailgate.simulator.problems import ProviderError, json_response


class WppError(ProviderError):
    def __init__(self, status: int, body: Any) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body

    def answer(self) -> Response:
        if isinstance(self.body, str):
            return Response(self.body, self.status, media_type="text/html")
        return json_response(self.body, self.status)


def token_missing() -> WppError:
    return WppError(401, {"message": "Token is not present. Check your header and try again"})


def token_wrong() -> WppError:
    return WppError(401, {"error": "Check that the Session and Token are correct"})


def secret_wrong() -> WppError:
    return WppError(400, {"response": False, "message": "The SECRET_KEY is incorrect"})


def listing_token_wrong() -> WppError:
    return WppError(400, {"response": False, "message": "The token is incorrect"})


def session_inactive() -> WppError:
    return WppError(
        404, {"response": None, "status": "Disconnected", "message": "A sessão do WhatsApp não está ativa."}
    )


def number_missing(phone: str) -> WppError:
    return WppError(400, {"response": None, "status": "Connected", "message": f"O número {phone} não existe."})


def send_failed(**detail: Any) -> WppError:
    error = detail or {"name": "Error", "level": "error"}
    return WppError(500, {"status": "Error", "message": "Erro ao enviar a mensagem.", "error": error})


def close_failed() -> WppError:
    return WppError(500, {"status": False, "message": "Error closing session", "error": {"level": "error"}})


def broken_json() -> WppError:
    """A page with a stack trace."""
    return WppError(400, "<!DOCTYPE html><html><body><pre>SyntaxError: Unexpected token in JSON</pre></body></html>")


def nothing_here(method: str, path: str) -> WppError:
    return WppError(404, f"<!DOCTYPE html><html><body><pre>Cannot {method} {path}</pre></body></html>")


def body_too_large() -> WppError:
    return WppError(413, "<!DOCTYPE html><html><body><pre>PayloadTooLargeError</pre></body></html>")


def token_revoked() -> WppError:
    return token_wrong()


def answer_throttle(throttle: Throttle) -> Response:
    """It knows no limit of its own; what stands before it may."""
    answer = json_response({"message": "Too many requests"}, throttle.status)
    if throttle.retry_after is not None:
        answer.headers["retry-after"] = str(throttle.retry_after)
    return answer


def answer_outage(error: Error) -> Response:
    if error.body is True:
        refused = number_missing("") if error.status == 400 else send_failed()
        return WppError(error.status, refused.body).answer()
    if error.body is False:
        return Response(status_code=error.status)
    return WppError(error.status, error.body).answer()
