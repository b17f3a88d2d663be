"""Errors as Twilio writes them."""

from starlette.responses import Response

from hailgate.simulator.faults import Error, Throttle
from hailgate.simulator.model import Failure
from hailgate.simulator.problems import ProviderError, json_response

DOCS = "https://www.twilio.com/docs/errors/"

KNOWN = {
    20003: (401, "Authenticate"),
    20009: (409, "Message is still in progress and cannot be deleted"),
    20404: (404, "The requested resource was not found"),
    20409: (409, "The state of the resource does not allow this change"),
    20422: (400, "Invalid parameter"),
    20429: (429, "Too Many Requests"),
    20500: (500, "Internal server error"),
    20503: (503, "Service unavailable"),
    21211: (400, "The 'To' number is not a valid phone number."),
    21212: (400, "The 'From' number is not a valid phone number."),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' or 'MessagingServiceSid' parameter is required."),
    21604: (400, "A 'To' phone number is required."),
    21609: (400, "The 'StatusCallback' URL is not a valid URL."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (429, "The 'From' number has exceeded the maximum number of queued messages"),
    21612: (400, "The message cannot be sent with this combination of 'To' and 'From'"),
    21617: (400, "The message body exceeds the 1600 character limit."),
    21620: (400, "Invalid media URL(s)"),
    21623: (400, "Number of media files exceeds allowed limit"),
    21624: (400, "The 'ValidityPeriod' is invalid"),
    21654: (400, "ContentVariables need a ContentSid"),
    21655: (400, "The ContentSid is invalid"),
    21656: (400, "The ContentVariables parameter is invalid"),
    21705: (400, "The Messaging Service Sid is invalid"),
    35111: (400, "SendAt is required"),
    35118: (400, "MessagingServiceSid is required to schedule a message"),
    35126: (400, "ScheduleType must be fixed"),
    63007: (400, "Could not find a channel with the specified From address"),
    63016: (400, "Outside the allowed window"),
    63018: (429, "Rate limit exceeded for the channel"),
    63031: (400, "The 'From' and 'To' addresses are the same"),
    63038: (429, "Account exceeded the daily messages limit"),
}

NOT_ON_WHATSAPP = Failure(63024, "Invalid message recipient", "")
WINDOW_CLOSED = Failure(63016, "Outside the allowed window", "")
MEDIA_NOT_FOUND = Failure(63019, "Media download", "")
MEDIA_TOO_LARGE = Failure(63034, "Media exceeds the size that the channel allows", "")
VARIABLES_MISSING = Failure(63028, "Number of parameters provided does not match the template", "")
FAILED_AT_ONCE = frozenset({21610, 63019, 63034, 63038})  # `failed`, where others are `undelivered`


class TwilioError(ProviderError):
    def __init__(self, code: int, message: str | None = None, *, status: int | None = None) -> None:
        known_status, known_message = KNOWN.get(code, (400, "The request failed"))
        super().__init__(message or known_message)
        self.code = code
        self.status = status or known_status
        self.message = message or known_message

    def answer(self) -> Response:
        error = {"code": self.code, "message": self.message, "more_info": f"{DOCS}{self.code}", "status": self.status}
        answer = json_response(error, self.status)
        if self.status == 401:
            answer.headers["www-authenticate"] = 'Basic realm="Twilio API"'
        return answer


def not_found(path: str) -> TwilioError:
    return TwilioError(20404, f"The requested resource {path} was not found")


def body_too_large() -> TwilioError:
    return TwilioError(20422, "The request body is too large", status=413)


def token_revoked() -> TwilioError:
    return TwilioError(20003)


def answer_throttle(throttle: Throttle) -> Response:
    answer = TwilioError(throttle.code or 20429, status=throttle.status).answer()
    if throttle.retry_after is not None:
        answer.headers["retry-after"] = str(throttle.retry_after)
    return answer


def answer_outage(error: Error) -> Response:
    if error.body is True:
        return TwilioError(error.code or (20503 if error.status == 503 else 20500), status=error.status).answer()
    if error.body is False:
        return Response(status_code=error.status)
    if isinstance(error.body, str):
        return Response(error.body, error.status, media_type="text/html")
    return json_response(error.body, error.status)
