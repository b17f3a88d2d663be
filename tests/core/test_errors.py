"""The tree of errors: what each class orders, and that it says so in a sentence."""

import pickle
import re

import pytest

from hailgate.core import errors
from hailgate.core.errors import (
    AccessError,
    AddressRefuses,
    AssistantError,
    Blame,
    ChannelDisconnected,
    ChannelRefused,
    ChannelUnauthorized,
    ConfigurationError,
    Conflict,
    Disposition,
    EventError,
    FileForgotten,
    FileUnavailable,
    Forbidden,
    HailgateError,
    IdempotencyMismatch,
    InputError,
    LeaseLost,
    MalformedBody,
    MessageFault,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    PayloadForeign,
    ProviderThrottled,
    ProviderUnavailable,
    RateLimited,
    RecipientOptedOut,
    RecipientUnconfirmed,
    RecipientUnreachable,
    Rejected,
    Scope,
    SendError,
    SessionLost,
    SignatureInvalid,
    StoreUnavailable,
    TemplateUnavailable,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
)

CLASSES = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, HailgateError)]
RAISED_WITH_A_SENTENCE = [error for error in CLASSES if error is not ConfigurationError]


def tree_of_the_docstring():
    """Each drawn class with the one it hangs from."""
    parents, drawn = [], {}
    for indent, name in re.findall(r"^    ([│├└─ ]*)([A-Z]\w+)", errors.__doc__, re.MULTILINE):
        depth = len(indent) // 4
        parents[depth:] = [name]
        drawn[name] = parents[depth - 1] if depth else "Exception"
    return drawn


def test_the_drawn_tree_is_the_tree():
    assert tree_of_the_docstring() == {error.__name__: error.__base__.__name__ for error in CLASSES}


def test_codes_are_unique_snake_case():
    codes = [error.code for error in CLASSES]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize(
    ("error", "status", "retryable"),
    [
        (InputError, 422, False),
        (MalformedBody, 400, False),
        (NotFound, 404, False),
        (Conflict, 409, False),
        (TooLarge, 413, False),
        (UnsupportedMedia, 415, False),
        (IdempotencyMismatch, 422, False),
        (AccessError, 403, False),
        (Unauthenticated, 401, False),
        (SignatureInvalid, 401, False),
        (Forbidden, 403, False),
        (RateLimited, 429, True),
        (Unavailable, 503, True),
        (Overloaded, 503, True),
        (StoreUnavailable, 503, True),
        (AssistantError, 500, True),
        (EventError, 500, False),
        (PayloadForeign, 500, False),
        (HailgateError, 500, False),
    ],
)
def test_each_class_knows_its_http_status(error, status, retryable):
    assert (error.status, error.retryable) == (status, retryable)


SEND_ERRORS = {
    SendError: ("bury", set()),
    ProviderUnavailable: ("retry", {"breaker_failure"}),
    AddressRefuses: ("retry", {"breaker_failure"}),
    MessageFault: ("retry", set()),
    FileUnavailable: ("retry", set()),
    FileForgotten: ("retry", set()),
    LeaseLost: ("retry", set()),
    ProviderThrottled: ("snooze", set()),
    ChannelUnauthorized: ("snooze", {"pauses_channel"}),
    ChannelRefused: ("snooze", {"pauses_channel", "heals"}),
    ChannelDisconnected: ("snooze", {"pauses_channel"}),
    Rejected: ("bury", set()),
    RecipientUnreachable: ("bury", set()),
    TemplateUnavailable: ("bury", set()),
    RecipientOptedOut: ("bury", {"suppresses"}),
    OutcomeUnknown: ("park", {"breaker_failure"}),
    RecipientUnconfirmed: ("park", set()),
    SessionLost: ("park", {"pauses_channel"}),
}


@pytest.mark.parametrize(("error", "order"), SEND_ERRORS.items())
def test_each_send_error_orders_what_becomes_of_the_row(error, order):
    flags = {"breaker_failure", "pauses_channel", "suppresses", "heals"}

    assert (error.disposition, {flag for flag in flags if getattr(error, flag)}) == order
    assert error.retryable is (error.disposition in {Disposition.RETRY, Disposition.SNOOZE})


@pytest.mark.parametrize(
    ("blame", "kinds"),
    [
        (Blame.PROVIDER, {ProviderUnavailable, AddressRefuses}),
        (Blame.OURS, {FileUnavailable, LeaseLost}),
        (Blame.MESSAGE, {MessageFault, FileForgotten}),
    ],
)
def test_what_is_retried_says_whose_trouble_it_is(blame, kinds):
    assert {kind for kind in SEND_ERRORS if kind.disposition is Disposition.RETRY and kind.blame is blame} == kinds


def test_the_table_of_send_errors_is_complete():
    assert set(SEND_ERRORS) == {error for error in CLASSES if issubclass(error, SendError)}


@pytest.mark.parametrize("error", RAISED_WITH_A_SENTENCE)
def test_an_error_without_a_detail_says_the_first_line_of_its_docstring(error):
    detail = error().detail

    assert detail == error.__doc__.splitlines()[0]
    assert detail.endswith(".")
    assert str(error()) == detail


def test_an_error_stripped_of_its_docstring_says_its_title(monkeypatch):
    monkeypatch.setattr(Conflict, "__doc__", None)

    assert Conflict().detail == "Conflict"


@pytest.mark.parametrize("error", RAISED_WITH_A_SENTENCE)
def test_detail_and_code_of_the_moment_win(error):
    raised = error("The moon is in the way.", code="moon")

    assert (raised.detail, raised.code, error.code) == ("The moon is in the way.", "moon", error().code)


def test_an_input_error_names_its_field():
    assert InputError("to: no.", field="to").field == "to"
    assert InputError("No.").field is None


@pytest.mark.parametrize("error", [RateLimited, Unavailable, Overloaded, StoreUnavailable])
def test_a_refusal_of_the_moment_says_when_to_ask_again(error):
    assert error().retry_after > 0
    assert error(retry_after=7.5).retry_after == 7.5


def test_a_send_error_keeps_what_the_provider_said():
    error = ProviderThrottled(provider_code="131056", retry_after=6.0, scope=Scope.PAIR, max_attempts=2)

    assert (error.provider_code, error.retry_after, error.scope, error.max_attempts) == (
        "131056",
        6.0,
        "pair",
        2,
    )


def test_a_send_error_concerns_its_message_alone_until_told_otherwise():
    assert Rejected().scope is Scope.MESSAGE


def test_a_configuration_error_lists_all_faults_at_once():
    error = ConfigurationError(["HAILGATE_BIND is not an address.", "HAILGATE_HOME cannot be written."])

    assert error.faults == ("HAILGATE_BIND is not an address.", "HAILGATE_HOME cannot be written.")
    assert str(error) == "HAILGATE_BIND is not an address.\nHAILGATE_HOME cannot be written."


def test_an_error_survives_the_way_between_processes():
    error = pickle.loads(pickle.dumps(Rejected("No.", provider_code="131026", scope=Scope.CHANNEL)))

    assert (error.detail, error.provider_code, error.scope) == ("No.", "131026", Scope.CHANNEL)
