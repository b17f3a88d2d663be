"""An external tenant service: who a tenant is, which channels it has, and their credentials, fetched when needed.

``GET {url}{path}`` with a bearer token answers ``{"id", "active", "channels": [{"provider", "number", "settings",
"app_secret"?, "rate"?}], "expires_at"?}``. What it says is believed for 15 minutes and asked for anew before they end,
so that nobody waits. An answer of 404 means that there is no such tenant; any other failure says nothing of it: what
was known goes on for an hour, and messages of a tenant that was never known wait.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import Meta

from hailgate.accounts.alarms import clear_alarm, raise_alarm
from hailgate.connectors.secret_cache import SecretCache
from hailgate.connectors.tenants import TenantPending, unknown_tenant
from hailgate.core import breaker
from hailgate.core.alarms import Alarm, Cause
from hailgate.core.cache import Cache
from hailgate.core.errors import InputError, ProviderUnavailable, StoreUnavailable, Unavailable
from hailgate.messaging.channels.external import AppliedTenant, ExternalChannel, apply_tenant, find_reference
from hailgate.messaging.store.ports import Db
from hailgate.telemetry.events import Event
from hailgate.telemetry.logs import log
from hailgate.telemetry.metrics import TENANT_CACHE, TENANT_FETCHES

if TYPE_CHECKING:
    from hailgate.providers.transport import Transport

FRESH_S: Final = 900.0
# Asked for anew in the last fifth of its time, at a moment that differs from tenant to tenant.
REFRESH_AT: Final = 0.8
STALE_S: Final = 3600.0
ABSENT_S: Final = 30.0
# A process that fetches for all others has this long; then another does.
FETCH_S: Final = 10.0
LOOK_AGAIN_S: Final = 0.2
AGAIN_S: Final = 1.0
AGAIN_MOST_S: Final = 30.0
POLICY: Final = breaker.BreakerPolicy(failures=5, cooldown=10.0, share=1.0)
MOST_TENANTS: Final = 20_000


class _Channel(msgspec.Struct):
    provider: Annotated[str, Meta(min_length=1, max_length=30)]
    number: Annotated[str, Meta(min_length=7, max_length=16)]
    settings: dict[str, str]
    rate: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    app_secret: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class TenantAnswer(msgspec.Struct):
    """What the service says of the tenant ``id``, who is the one that was asked for, or it says nothing.

    What else it says is its own business.
    """

    id: str
    active: bool = True
    channels: list[_Channel] = []
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class _Entry(NamedTuple):
    """``tenant_id`` is None for one that there is not; ``settings`` go by the number of the channel.

    ``versions`` are what our rows of the channels were at then. ``app_secrets`` are those of its channels, each with
    its provider.
    """

    tenant_id: int | None
    active: bool
    settings: Mapping[str, Mapping[str, str]]
    versions: Mapping[str, int]
    fresh_until: float
    refresh_at: float
    stale_until: float
    app_secrets: frozenset[tuple[str, str]] = frozenset()


_decode = msgspec.json.Decoder(TenantAnswer).decode


class TenantService:
    """``url`` holds ``{id}``. ``clock`` is monotonic; nothing here waits for the service but ``wait_for``."""

    def __init__(
        self,
        db: Db,
        transport: "Transport",
        cache: SecretCache,
        *,
        url: str,
        token: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db, self._transport, self._cache, self._url, self._clock = db, transport, cache, url, clock
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._entries: dict[str, _Entry] = {}
        self._references: Cache[str] = Cache(lambda tenant_id, provider: db(find_reference, tenant_id, provider))
        self._fetching: dict[str, asyncio.Task[bool]] = {}
        self._renewing: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, int] = {}
        self._next_try: dict[str, float] = {}
        self._breaker = breaker.Breaker()
        self._told_down = False

    # --- what others ask ----------------------------------------------------------------------------------------------

    async def get(self, reference: str) -> int:
        """The tenant's id. Raises InputError (`unknown_tenant`, `tenant_inactive`) and TenantPending."""
        entry = self._look_up(reference)
        if entry is None:
            raise TenantPending
        if entry.tenant_id is None:
            raise unknown_tenant()
        if not entry.active:
            raise InputError("tenant: is not active.", code="tenant_inactive", field="tenant")
        return entry.tenant_id

    async def wait_for(self, reference: str) -> None:
        """Until the service has answered, however often it must be asked."""
        while self._look_up(reference) is None:
            if not await asyncio.shield(self._fetch(reference)):
                await asyncio.sleep(self._rest(reference))

    async def settings_of(self, source: str, number: str, version: int) -> Mapping[str, str]:
        """The same object as long as nothing has changed. Raises ProviderUnavailable while nothing is known.

        While credentials that were refused are asked for anew, nobody is given the old ones. The service is asked, too,
        when the channel's version says that another process may have heard of others; where it is away, what is known
        goes on.
        """
        if (renewing := self._renewing.get(source)) is not None:
            await asyncio.shield(renewing)
        entry = self._look_up(source)
        if entry is not None and entry.versions.get(number, version) < version:
            await asyncio.shield(self._fetch(source))
            entry = self._look_up(source)
        if entry is None:
            raise ProviderUnavailable("The tenant service is being asked for the credentials.", code="tenant_pending")
        if number not in entry.settings or not entry.active:
            raise InputError("The tenant service knows no such channel.", code="channel_unknown")
        return entry.settings[number]

    async def app_secrets_of(self, tenant_id: int, provider: str) -> list[str]:
        """With which the provider may sign this tenant's webhooks. Raises Unavailable while nothing is known.

        Told to the doors, which ask only for a webhook that the hook's own secret does not fit.
        """
        source = await self._references.get((tenant_id, provider), tenant_id, provider)
        if source is None:
            return []
        entry = self._look_up(source)
        if entry is None:
            await asyncio.shield(self._fetch(source))
            entry = self._look_up(source)
        if entry is None:
            raise Unavailable("The tenant service does not say with what this webhook is signed.", retry_after=AGAIN_S)
        return sorted(secret for of, secret in entry.app_secrets if of == provider and entry.active)

    async def renew(self, source: str, number: str, refused: Mapping[str, str]) -> bool:
        """A provider refused these credentials: they are asked for once, and it is said whether there are others."""
        entry = self._entries.get(source)
        if entry is not None and entry.settings.get(number) is not refused:
            return True
        renewing = self._renewing.get(source)
        if renewing is None:
            renewing = self._renewing[source] = asyncio.create_task(self._renew(source, number, refused), name="renew")
            renewing.add_done_callback(lambda _: self._renewing.pop(source, None))
        await asyncio.shield(renewing)
        entry = self._entries.get(source)
        return entry is not None and entry.settings.get(number, refused) is not refused

    async def close(self) -> None:
        tasks = (*self._fetching.values(), *self._renewing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._transport.close()

    # --- what is known ------------------------------------------------------------------------------------------------

    def _look_up(self, reference: str) -> _Entry | None:
        """None while nothing may be believed; whatever is missing or grows old is on its way."""
        entry, now = self._entries.get(reference), self._clock()
        if entry is None or now >= entry.refresh_at:
            self._fetch(reference)
        if entry is None or (entry.tenant_id is None and now >= entry.fresh_until):
            TENANT_CACHE.labels("miss").inc()
            return None
        if now < entry.fresh_until:
            TENANT_CACHE.labels("hit").inc()
            return entry
        TENANT_CACHE.labels("stale").inc()
        return entry if now < entry.stale_until else None

    def _keep(self, reference: str, tenant: AppliedTenant | None, answer: TenantAnswer, life_s: float) -> None:
        """Settings that are as they were stay the same object: whoever has connected with them goes on."""
        now, old = self._clock(), self._entries.get(reference)
        before = old.settings if old else {}
        settings: dict[str, Mapping[str, str]] = {}
        for channel in answer.channels:
            number = _digits(channel.number)
            same = before.get(number)
            settings[number] = same if same == channel.settings and same is not None else channel.settings
        share = REFRESH_AT + random.random() * (1 - REFRESH_AT) / 2  # noqa: S311 -- it spreads calls
        if len(self._entries) >= MOST_TENANTS and reference not in self._entries:
            self._entries.pop(next(iter(self._entries)))
        secrets = frozenset((each.provider, each.app_secret) for each in answer.channels if each.app_secret)
        self._entries[reference] = _Entry(
            tenant.tenant_id if tenant else None,
            answer.active,
            settings,
            tenant.versions if tenant else {},
            fresh_until=now + life_s,
            refresh_at=now + life_s * share,
            stale_until=now + min(STALE_S, _left(answer)),
            app_secrets=secrets,
        )

    # --- fetching -----------------------------------------------------------------------------------------------------

    async def _renew(self, reference: str, number: str, refused: Mapping[str, str]) -> None:
        """What another process has fetched since is good enough; what is as it was refused is forgotten."""
        key = _key(reference)
        kept = await self._cache.get(key)
        if kept is not None and _settings_in(kept, number) == refused:
            await self._cache.forget(key)
        await self._fetch(reference)

    def _fetch(self, reference: str) -> "asyncio.Task[bool]":
        """One for all who wait. Says whether there was an answer."""
        task = self._fetching.get(reference)
        if task is None:
            task = self._fetching[reference] = asyncio.create_task(self._fetch_once(reference), name="tenant")
            task.add_done_callback(lambda _: self._fetching.pop(reference, None))
        return task

    async def _fetch_once(self, reference: str) -> bool:
        if breaker.permits(self._breaker, self._clock(), POLICY) == 0 or not self._may_try(reference):
            return False
        self._breaker = breaker.probed(self._breaker, self._clock())
        try:
            await self._bring(reference)
        except Exception as failed:  # noqa: BLE001 -- whatever it is, it concerns one tenant, who is asked for again
            await self._failed(reference, failed)
            return False
        self._failures.pop(reference, None)
        self._next_try.pop(reference, None)
        return True

    async def _bring(self, reference: str) -> None:
        key, started = _key(reference), self._clock()
        while (kept := await self._cache.get(key)) is None and not await self._cache.may_fetch(key, FETCH_S):
            if self._clock() > started + FETCH_S:
                break
            await asyncio.sleep(LOOK_AGAIN_S)
        if kept is not None:
            fresh = msgspec.json.decode(kept, type=_Kept)
            await self._believe(reference, fresh.answer, fresh.until - time.time())
            return
        try:
            await self._ask(reference, key)
        finally:
            await self._cache.fetched(key)

    async def _ask(self, reference: str, key: str) -> None:
        reply = await self._transport.get(self._url.replace("{id}", quote(reference, safe="")), headers=self._headers)
        if reply.status == 404:
            self._answered("unknown")
            self._keep(reference, None, TenantAnswer(reference), ABSENT_S)
            return
        if reply.status != 200:
            raise ProviderUnavailable(f"The tenant service answered {reply.status}.")
        answer = _decode(reply.body)
        if answer.id != reference:
            raise InputError("The tenant service answered for another tenant.", field="id")
        if _left(answer) <= 0:
            raise InputError("The tenant service's answer has expired.", field="expires_at")
        self._answered("found")
        await self._tell()
        life_s = min(FRESH_S, _left(answer))
        await self._believe(reference, answer, life_s)
        kept = msgspec.json.encode(_Kept(answer, time.time() + life_s)).decode()
        await self._cache.put(key, kept, life_s * REFRESH_AT)

    async def _believe(self, reference: str, answer: TenantAnswer, life_s: float) -> None:
        channels = [ExternalChannel(c.provider, _digits(c.number), c.settings, c.rate) for c in answer.channels]
        tenant = await self._db(apply_tenant, reference, channels, self._exchanged(reference, channels))
        self._keep(reference, tenant, answer, life_s)
        log.info(Event.TENANT_FETCHED, tenant=tenant.tenant_id, count=len(channels))

    def _exchanged(self, reference: str, channels: Sequence[ExternalChannel]) -> Mapping[str, int]:
        """The versions of channels whose settings are not what they were: other processes hear of it by them."""
        if (old := self._entries.get(reference)) is None:
            return {}
        told = {channel.number: channel.settings for channel in channels}
        return {
            number: version
            for number, version in old.versions.items()
            if number in old.settings and told.get(number, old.settings[number]) != old.settings[number]
        }

    def _answered(self, outcome: str) -> None:
        self._breaker = breaker.succeeded(self._breaker, POLICY)
        TENANT_FETCHES.labels(outcome).inc()

    async def _failed(self, reference: str, failed: Exception) -> None:
        self._failures[reference] = self._failures.get(reference, 0) + 1
        self._next_try[reference] = self._clock() + self._rest(reference) / 2
        if isinstance(failed, StoreUnavailable):
            return
        TENANT_FETCHES.labels("failed").inc()
        if isinstance(failed, ProviderUnavailable):
            self._breaker = breaker.failed(self._breaker, self._clock(), POLICY)
        log.warning(Event.TENANT_NOT_FETCHED, error=type(failed).__name__)
        await self._tell()

    async def _tell(self) -> None:
        """An alarm while the breaker is open: one for all that fails until then."""
        down = self._breaker.opened_at is not None
        if down != self._told_down:
            self._told_down = down
            with suppress(StoreUnavailable):
                await self._db(raise_alarm if down else clear_alarm, Cause(Alarm.TENANT_SERVICE_DOWN))

    def _may_try(self, reference: str) -> bool:
        """An answer that cannot be used is not asked for again at once, or each message would ask."""
        return self._clock() >= self._next_try.get(reference, 0.0)

    def _rest(self, reference: str) -> float:
        return float(min(AGAIN_S * 2 ** min(self._failures.get(reference, 0), 10), AGAIN_MOST_S))


class _Kept(msgspec.Struct):
    """``until`` is in seconds since the epoch: other processes read it."""

    answer: TenantAnswer
    until: float


def _left(answer: TenantAnswer) -> float:
    """Seconds until nothing of it may be believed any more."""
    return math.inf if answer.expires_at is None else answer.expires_at.timestamp() - time.time()


def _settings_in(kept: str, number: str) -> Mapping[str, str] | None:
    channels = msgspec.json.decode(kept, type=_Kept).answer.channels
    return next((channel.settings for channel in channels if _digits(channel.number) == number), None)


def _digits(number: str) -> str:
    return number.removeprefix("+")


def _key(reference: str) -> str:
    return f"tenant:{sha256(reference.encode()).hexdigest()}"
