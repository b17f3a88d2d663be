"""What a proxy answers in the provider's place: nobody is buried for it, and nothing is sent twice."""

import pytest

from hailgate.core.errors import AddressRefuses, ChannelRefused, OutcomeUnknown, ProviderThrottled, SendError
from hailgate.providers.cloud import wire as cloud
from hailgate.providers.evolution import wire as evolution
from hailgate.providers.twilio import wire as twilio
from hailgate.providers.wppconnect import wire as wppconnect

WIRES = {"cloud": cloud, "evolution": evolution, "twilio": twilio, "wppconnect": wppconnect}
PAGE = b"<html><h1>nginx</h1></html>"
NOW = 1_700_000_000.0


def error_of(wire, status, body, headers=None) -> SendError:
    with pytest.raises(SendError) as refused:
        wire.parse_send_answer(status, headers or {}, body, NOW)
    return refused.value


@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize("body", [PAGE, b"", b"[]", b'"Forbidden"'])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, AddressRefuses), (302, AddressRefuses), (308, AddressRefuses), (401, ChannelRefused),
        (403, ChannelRefused), (404, AddressRefuses), (405, AddressRefuses), (408, OutcomeUnknown),
        (410, AddressRefuses), (429, ProviderThrottled), (451, AddressRefuses), (500, OutcomeUnknown),
        (502, OutcomeUnknown), (503, OutcomeUnknown), (504, OutcomeUnknown), (524, OutcomeUnknown),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_the_providers_own(name, body, status, kind):
    assert type(error_of(WIRES[name], status, body)) is kind


@pytest.mark.parametrize("name", WIRES)
@pytest.mark.parametrize(("status", "kind"), [(403, ChannelRefused), (429, ProviderThrottled)])
def test_a_gateway_may_speak_json_too(name, status, kind):
    assert type(error_of(WIRES[name], status, b'{"message":"Not now"}')) is kind


@pytest.mark.parametrize("name", WIRES)
def test_the_wait_that_a_proxy_asks_for_is_kept(name):
    assert error_of(WIRES[name], 429, PAGE, {"Retry-After": "40"}).retry_after == 40.0
