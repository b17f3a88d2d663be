"""What an address answers is never shown: whoever names one could read by it what only this machine reaches."""

import pytest

from hailgate.providers import get_provider
from hailgate.providers.config import parse_config
from hailgate.providers.contract import Connection
from hailgate.providers.transport import Transport

from .conformance import outcome_of
from .loopback import Loopback, answer, answer_json

pytestmark = pytest.mark.anyio

WORD = "kept-inside"
SETTINGS = {
    "cloud": {"phone_number_id": "106500000000001", "access_token": "t"},
    "twilio": {"account_sid": "AC" + "0" * 32, "auth_token": "t"},
    "evolution": {"instance": "clinic", "api_key": "k", "jwt_key": "k" * 24},
    "wppconnect": {"session": "clinic", "secret_key": "k"},
}
FAULT = {"message": WORD, "code": 131000, "type": WORD, "error_user_title": WORD, "error_data": {"details": WORD}}
SAYS = {"error": FAULT, "message": WORD, "response": {"message": [WORD]}, "detail": WORD, "status": WORD, "state": WORD}


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 422, 429, 500, 503])
@pytest.mark.parametrize(
    "script", [lambda status: answer(status, WORD.encode()), lambda status: answer_json(status, SAYS)]
)
@pytest.mark.parametrize("name", SETTINGS)
async def test_neither_a_check_nor_a_send_tells_what_was_answered(name, script, status):
    spec = get_provider(name)
    async with Loopback(script(status)) as server, Transport() as transport:
        config = parse_config(spec.channel_config, SETTINGS[name] | {"api_url": server.url})
        provider = spec.connect(Connection(config=config, transport=transport, hook_url="https://x.test/hooks/h"))
        health = await provider.check()
        ended = await outcome_of(provider, lambda: None)
        assert server.heads or server.connections
    assert WORD not in health.detail
    assert WORD not in f"{ended} {getattr(ended, 'detail', '')}"
