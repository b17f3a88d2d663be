"""Something else than the provider answers at a channel's address: whoever reads of it has to learn which that is."""

import pytest

from hailgate.core.errors import AddressRefuses

from .cloud_case import CLOUD
from .conformance import outcome_of
from .evolution_case import EVOLUTION
from .twilio_case import TWILIO
from .wppconnect_case import WPPCONNECT

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("case", [CLOUD, EVOLUTION, TWILIO, WPPCONNECT], ids=lambda case: case.spec.name)
async def test_the_sentence_names_the_address(case):
    async with case.connect("redirected") as connected:
        refused = await outcome_of(connected.provider, lambda: None)
    assert isinstance(refused, AddressRefuses)
    assert " The address is http://127.0.0.1:" in refused.detail
