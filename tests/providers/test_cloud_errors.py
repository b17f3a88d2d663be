"""Every code that Meta is known to use has a row, and its class is the instruction that the row needs."""

import pytest

from hailgate.core.delivery import Action, Past, RetryPolicy, decide
from hailgate.core.errors import (
    Blame,
    ChannelUnauthorized,
    Disposition,
    MessageFault,
    ProviderThrottled,
    ProviderUnavailable,
    RecipientOptedOut,
    RecipientUnreachable,
    Rejected,
    Scope,
    TemplateUnavailable,
)
from hailgate.delivery_codes import ANY_OTHER, advise
from hailgate.providers import cloud
from hailgate.providers.cloud.errors import FAULTS, Refusal, explain, send_error

from . import payloads

# Where the class and scope of a row do not say everything.
EXCEPTIONS = {
    803: ChannelUnauthorized,  # the object in the path is the number
    130497: RecipientUnreachable,  # a policy about one country
    131020: RecipientUnreachable,
    131041: RecipientUnreachable,
    131207: RecipientUnreachable,
    131064: ProviderThrottled,  # "no" is said of the message as it is; the limit passes
    133000: ChannelUnauthorized,  # registering is the owner's to repeat
    133008: ChannelUnauthorized,
    133009: ChannelUnauthorized,
    133015: ChannelUnauthorized,
}
BY_CLASS = {
    "auth": ChannelUnauthorized,
    "permission": ChannelUnauthorized,
    "policy": ChannelUnauthorized,
    "billing": ChannelUnauthorized,
    "registration": ChannelUnauthorized,
    "health": ChannelUnauthorized,
    "throttle": ProviderThrottled,
    "transient": ProviderUnavailable,
    "unknown": MessageFault,
    "recipient": RecipientUnreachable,
    "consent": RecipientOptedOut,
    "template": TemplateUnavailable,
    "template_creation": TemplateUnavailable,
}
BY_RETRY = {"yes": MessageFault, "limited": MessageFault, "later": ProviderThrottled, "no": Rejected}
DISPOSITIONS = {
    "yes": {Disposition.RETRY},
    "limited": {Disposition.RETRY},
    "maybe": {Disposition.RETRY},
    "later": {Disposition.SNOOZE, Disposition.RETRY},
    "no": {Disposition.BURY},
}


def rows():
    """One entry for each single code; the range of permissions by its ends and one between."""
    return [
        pytest.param(code, row, id=f"{code} {row['class']} {row['retry']}")
        for row in payloads.ERROR_ROWS
        for code in ([200, 254, 299] if row["code"] == "200-299" else [row["code"]])
    ]


def status_of(row):
    return (row["http"] or [400])[0]


def expected_class(code, row):
    if code in EXCEPTIONS:
        return EXCEPTIONS[code]
    if status_of(row) >= 500 and row["class"] not in {"permission", "registration"}:
        return ProviderUnavailable  # "ridden out while the message lives, whatever its code" (error_codes.json)
    if row["class"] == "config":
        return ChannelUnauthorized if row["scope"] == "number" else Rejected
    if row["class"] == "template" and row["retry"] == "later":
        return ProviderThrottled
    return BY_CLASS.get(row["class"]) or BY_RETRY[row["retry"]]


@pytest.mark.parametrize(("code", "row"), rows())
def test_each_code_ends_in_the_class_that_its_row_asks_for(code, row):
    error = send_error(Refusal(code), status_of(row), None)
    assert type(error) is expected_class(code, row)
    assert error.provider_code == str(code)
    assert explain(code)
    assert error.detail.startswith(explain(code)[:-1])


@pytest.mark.parametrize(("code", "row"), rows())
def test_each_code_is_retried_as_its_row_says(code, row):
    error = send_error(Refusal(code), status_of(row), None)
    if error.pauses_channel or code in EXCEPTIONS:
        assert error.disposition in {Disposition.SNOOZE, Disposition.BURY}
    elif status_of(row) < 500:
        assert error.disposition in DISPOSITIONS[row["retry"]]
    if error.blame is Blame.MESSAGE and row["retry"] == "limited" and not error.pauses_channel:
        assert error.patience >= 600  # "a count alone never ends it within ten minutes"
    if row["retry"] == "maybe":
        assert (error.max_attempts, error.retry_after) == (2, 5.0)  # "one retry after some seconds"


@pytest.mark.parametrize(("code", "row"), rows())
def test_no_code_of_one_message_stops_others(code, row):
    error = send_error(Refusal(code), 400, None)
    if row["scope"] in {"request", "recipient", "template", "flow", "group"} and code not in EXCEPTIONS:
        assert error.scope is Scope.MESSAGE
        assert not error.pauses_channel
    if row["class"] in {"recipient", "consent", "window", "template", "media", "invalid_request"}:
        assert not error.breaker_failure


def test_no_row_is_left_over():
    known = {row["code"] for row in payloads.ERROR_ROWS} | set(range(200, 300))
    assert set(FAULTS) - known == set(GRAPH_WIDE)


# Error codes of the Graph API as a whole, not WhatsApp's own (Graph API: error handling, rate limits).
GRAPH_WIDE = {
    17: ProviderThrottled,
    32: ProviderThrottled,
    102: ChannelUnauthorized,
    341: ProviderThrottled,
    506: Rejected,
    **dict.fromkeys([*range(80000, 80007), 80008, 80009, 80014], ProviderThrottled),
}


@pytest.mark.parametrize(("code", "error"), GRAPH_WIDE.items())
def test_codes_of_the_graph_as_a_whole_are_not_buried_as_unknown(code, error):
    assert type(send_error(Refusal(code), 400, None)) is error
    assert explain(code)


@pytest.mark.parametrize("code", [1, 100, 131000, 131026, 131053, 132000, 190, 999_999])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_5xx_is_metas_trouble_whatever_its_code(code, status):
    error = send_error(Refusal(code), status, None)
    assert (error.blame, error.breaker_failure, error.max_attempts) == (Blame.PROVIDER, True, None)


@pytest.mark.parametrize(
    ("code", "scope", "pause"),
    [
        (131056, Scope.PAIR, None),
        (130429, Scope.CHANNEL, None),
        (131048, Scope.CHANNEL, 3600.0),
        (4, Scope.ACCOUNT, 300.0),
        (80007, Scope.ACCOUNT, 300.0),
        (131057, Scope.ACCOUNT, 60.0),
        (132015, Scope.MESSAGE, 3600.0),
        (131053, Scope.MESSAGE, None),
    ],
)
def test_what_is_too_fast_waits_and_nothing_else(code, scope, pause):
    error = send_error(Refusal(code), 400, None)
    assert (error.scope, error.retry_after) == (scope, pause)


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        (131047, "window_closed"),
        (131031, "account_restricted"),
        (368, "account_restricted"),
        (131042, "payment_problem"),
        (133010, "number_not_registered"),
        (33, "number_unknown"),
        (190, "channel_unauthorized"),
        (131050, "recipient_opted_out"),
    ],
)
def test_codes_that_programs_compare(code, ours):
    assert send_error(Refusal(code), 400, None).code == ours


def test_the_longer_wait_holds():
    assert send_error(Refusal(131048), 429, 20.0).retry_after == 3600.0
    assert send_error(Refusal(130429), 429, 20.0).retry_after == 20.0
    assert send_error(Refusal(4), 400, 3000.0).retry_after == 3000.0


def test_meta_asks_for_a_day_where_its_documents_say_so():
    waits = {code: send_error(Refusal(code), 400, 20.0).least_wait for code in FAULTS}
    assert {code: wait for code, wait in waits.items() if wait} == {131049: 86_400.0, 138012: 86_400.0}
    assert max(waits.values()) == cloud.SPEC.capabilities.waits.longest


def test_a_parameter_error_about_the_number_itself_is_the_owners():
    assert send_error(Refusal(100, subcode=33), 400, None).code == "number_unknown"
    assert isinstance(send_error(Refusal(100), 400, None), Rejected)


@pytest.mark.parametrize("code", [100, 131026, 132000, 999_999])
def test_what_meta_calls_passing_is_tried_again(code):
    error = send_error(Refusal(code, is_transient=True), 400, None)
    assert error.disposition is Disposition.RETRY
    assert error.patience == 600


@pytest.mark.parametrize("code", [4, 190])
def test_what_meta_calls_passing_stays_a_throttle_or_a_pause(code):
    assert send_error(Refusal(code, is_transient=True), 400, None).disposition is Disposition.SNOOZE


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Rejected),
        (403, Rejected),
        (401, ChannelUnauthorized),
        (429, ProviderThrottled),
        (503, ProviderUnavailable),
    ],
)
def test_a_code_that_is_not_listed_is_judged_by_the_status(status, error):
    raised = send_error(Refusal(999_999), status, None)
    assert type(raised) is error
    assert raised.provider_code == "999999"


def test_the_trace_that_metas_support_asks_for_is_told():
    assert "trace ABC123" in send_error(Refusal(131000, trace="ABC123"), 500, None).detail


# --- when to retry, by the provider's signals -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "disposition", "scope", "code"),
    [
        ([130429], Disposition.SNOOZE, Scope.CHANNEL, "provider_throttled"),
        ([131056], Disposition.SNOOZE, Scope.PAIR, "pair_throttled"),
        ([131048], Disposition.SNOOZE, Scope.CHANNEL, "provider_throttled"),
        ([131064], Disposition.SNOOZE, Scope.ACCOUNT, "provider_throttled"),
        ([190, 0, 10, 200, 299], Disposition.SNOOZE, Scope.CHANNEL, "channel_unauthorized"),
        ([131047], Disposition.BURY, Scope.PAIR, "window_closed"),
        ([131026, 131049, 130472], Disposition.BURY, Scope.MESSAGE, "recipient_unreachable"),
        ([131050], Disposition.BURY, Scope.MESSAGE, "recipient_opted_out"),
    ],
    ids=str,
)
def test_a_signal_asks_for_what_is_written_of_it(codes, disposition, scope, code):
    errors = [send_error(Refusal(one), 400, None) for one in codes]
    assert {(error.disposition, error.scope, error.code) for error in errors} == {(disposition, scope, code)}
    assert {error.pauses_channel for error in errors} == {code == "channel_unauthorized"}
    assert {error.suppresses for error in errors} == {code == "recipient_opted_out"}
    assert not any(error.breaker_failure for error in errors)
    assert advise(code, "cloud") != ANY_OTHER


@pytest.mark.parametrize(("code", "row"), rows())
def test_each_code_comes_with_advice(code, row):
    assert advise(send_error(Refusal(code), status_of(row), None).code, "cloud") != ANY_OTHER


def test_a_paused_template_holds_its_message_no_longer_than_the_message_lives():
    """It spends no attempt, so that only its life can end it."""
    now, lives_until, looks = 0.0, 86_400.0, 0
    while True:
        decision = decide(
            send_error(Refusal(132015), 400, None), Past(expires_at=lives_until), now, RetryPolicy(), lambda: 0.5
        )
        looks += 1
        if decision.action is not Action.SNOOZE:
            break
        assert 3600 <= decision.due_at - now <= 3602
        now = decision.due_at
    assert (decision.action, decision.code) == (Action.BURY, "expired")
    assert looks == 24
    assert now < lives_until
