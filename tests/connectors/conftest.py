"""A broker that is really there, with queues of each test's own that are gone afterwards."""

import os
import secrets

import pytest

from messaging.conftest import wide, worker
from pipeline.conftest import env

__all__ = ["env", "wide", "worker"]

URL = os.environ.get("HAILGATE_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672/")
REQUIRE_ALL = os.environ.get("HAILGATE_TEST_REQUIRE") == "all"


@pytest.fixture
async def post(store):
    """The broker, as whoever publishes to the queue and listens to the exchange sees it."""
    from connectors.post import Post

    name = f"hailgate-test-{secrets.token_hex(4)}"
    post = Post(URL, name)
    try:
        await post.open()
    except OSError:
        if REQUIRE_ALL:
            pytest.fail("RabbitMQ does not answer")
        pytest.skip("RabbitMQ does not answer: what needs it was skipped")
    yield post
    await post.close()


@pytest.fixture
def outbox():
    """This installation publishes."""
    from hailgate.messaging.broker.outbox import use_outbox

    use_outbox(events=True, dead_letters=True)
    yield
    use_outbox(events=False, dead_letters=False)
