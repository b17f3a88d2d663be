"""What the pipeline's tests stand on: a provider that is played, a real Cloud API on the loopback, a way to wait."""

import asyncio
import json
import time
from dataclasses import replace

from hailgate.core.delivery import RetryPolicy
from hailgate.core.slots import Slots, open_room
from hailgate.messaging.channels.hooks import add_hook
from hailgate.messaging.channels.registry import add_channel, get_channel
from hailgate.messaging.files.storage import open_files
from hailgate.messaging.models import Attempt
from hailgate.messaging.outbound.claim import claim_deliveries
from hailgate.messaging.outbound.outcomes import record_outcomes
from hailgate.messaging.work import marks
from hailgate.pipeline.bridge import Gate
from hailgate.pipeline.connections import Connections
from hailgate.pipeline.outbound import Outbound
from hailgate.pipeline.uploads import Uploads
from hailgate.providers import fake
from messaging.acting import HOLD_S, fresh, send, work_of
from providers.loopback import render_answer

NUMBER = "15550100000"
# No chance: a retry comes exactly after its floor.
POLICY = RetryPolicy(max_attempts=3, base=1e-9, throttle_pause=60.0)


async def until(holds, *, seconds: float = 10.0):
    """What ``holds()`` returns, or the coroutine that it returns, as soon as it is true."""
    async with asyncio.timeout(seconds):
        while True:
            found = holds()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.005)


class Played:
    """The fake provider, installed as a third party's would be; all of its channels are one connection."""

    def __init__(self, monkeypatch) -> None:
        from hailgate import providers

        self.provider = fake.FakeProvider(fake.FakeChannel(number=NUMBER))
        self.connected = 0
        self.spec = replace(fake.SPEC, connect=self._connect)
        installed = dict(providers._installed())
        monkeypatch.setattr(providers, "_installed", lambda: installed | {"fake": self.spec})

    def change(self, **capabilities) -> None:
        changed = type(fake.SPEC.capabilities)(**_fields(self.spec.capabilities) | capabilities)
        self.spec = replace(self.spec, capabilities=changed)

    def _connect(self, _connection):
        self.connected += 1
        return self.provider

    def add_channel(self, tenant, name="played", number=NUMBER, answered_by="person"):
        hook = add_hook(tenant.id, "fake", {"secret": "s"})
        add_channel(tenant.id, "fake", name, number, {"number": number}, hook=hook.id, answered_by=answered_by)
        return get_channel(tenant.id, name)

    @property
    def bodies(self) -> list[str]:
        return [message.content.text.body for message in self.provider.taken]


def _fields(struct):
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


class Desk:
    """One worker's delivery, on a channel whose provider is played."""

    def __init__(self, db, worker, played, channel, folder) -> None:
        self.db, self.worker, self.played, self.channel = db, worker, played, channel
        self.files = open_files(folder, "")
        self.memory = bytearray(marks.SIZE)
        self.marks = marks.Marks(self.memory)
        self._connections: list[Connections] = []
        self.outbound = self.new_outbound()

    def new_outbound(self, *, db=None, outcomes_db=None, check_lease=lambda: None, public_url="") -> Outbound:
        connections = Connections(db or self.db, per_host=10, connect=5.0, total=20.0)
        self._connections.append(connections)

        def write(batch):
            return record_outcomes(self.worker, HOLD_S, batch)

        return Outbound(
            db or self.db,
            self.worker,
            outcomes=Gate(outcomes_db or self.db, write),
            connections=connections,
            policy=POLICY,
            uploads=Uploads(db or self.db, files=self.files, public_url=public_url),
            slots=Slots(512, 0.5),
            check_lease=check_lease,
            marks=self.marks,
        )

    @property
    def provider(self):
        return self.played.provider

    async def claim(self):
        return await self.db(claim_deliveries, self.worker, open_room(100))

    async def carry_out(self, outbound=None) -> int:
        """Claim and deliver what is due now; returns how many rows that was."""
        outbound = outbound or self.outbound
        claimed = await self.claim()
        await outbound.begin(claimed, time.monotonic())
        await outbound.drain(5.0)
        return len(claimed.claims)

    async def send(self, channel=None, **given):
        return await self.db(lambda: send(channel or self.channel, **given))

    async def fresh(self, row):
        return await self.db(fresh, row)

    async def row_of(self, message):
        return await self.db(work_of, message)

    async def attempts(self) -> list[Attempt]:
        return await self.db(lambda: list(Attempt.objects.filter(tenant_id=self.channel.tenant_id).order_by("id")))

    async def nothing_was_tried(self) -> bool:
        return self.provider.tried == [] == await self.attempts()

    async def close(self) -> None:
        for connections in self._connections:
            await connections.close()


# --- a Cloud API ------------------------------------------------------------------------------------------------------


def is_read_receipt(body: bytes) -> bool:
    return b'"status":"read"' in body


async def take(connection) -> None:
    """What Meta answers to a send or a read receipt."""
    body = await connection.request()
    if is_read_receipt(body):
        await connection.write(render_answer(200, b'{"success":true}'))
        return
    sent = json.loads(body)
    told = {"messages": [{"id": f"wamid.{sent['biz_opaque_callback_data']}"}], "contacts": [{"wa_id": sent["to"]}]}
    await connection.write(render_answer(200, json.dumps(told).encode()))


def sends(server) -> list[dict]:
    """Every send that the server has read, in order."""
    return [json.loads(body) for body in server.bodies if not is_read_receipt(body)]


def texts_to(server) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    for sent in sends(server):
        texts.setdefault(sent["to"], []).append(sent["text"]["body"])
    return texts
