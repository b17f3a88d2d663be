"""Templates are listed at their provider, page by page, and again after a failure."""

from types import SimpleNamespace

import pytest

from hailgate.core.errors import OutcomeUnknown, ProviderUnavailable, Rejected
from hailgate.core.templates import TemplateDefinition as Listed
from hailgate.messaging.channels.registry import add_channel, get_channel
from hailgate.messaging.models import Business, Template
from hailgate.messaging.templates.sync import claim_business
from hailgate.pipeline.connections import Connections
from hailgate.pipeline.template_sync import MOST_PAGES, TemplateLister, list_templates
from hailgate.providers.contract import ChannelHealth, TemplatePage

pytestmark = pytest.mark.anyio

NAMES = ("one", "two", "three")


@pytest.fixture
async def desk(db, played, tenant):
    """One worker's lists, on a channel whose provider is played."""
    settings = {"number": "15550100000", "business": "7"}
    await db(add_channel, tenant.id, "fake", "shop", "15550100000", settings)
    played.provider.templates = [Listed(name, name, "en", "UTILITY", "APPROVED", components="[]") for name in NAMES]
    connections = Connections(db, per_host=10, connect=5.0, total=20.0)
    yield SimpleNamespace(listing=TemplateLister(db, connections), provider=played.provider, tenant_id=tenant.id)
    await connections.close()


async def bring(desk, db):
    claimed = await db(claim_business)
    await desk.listing.bring(claimed)
    return claimed


async def test_all_pages_are_brought_in(desk, db, capture_log) -> None:
    claimed = await bring(desk, db)
    names = Template.objects.filter(tenant_id=desk.tenant_id).values_list("name", flat=True)
    assert await db(lambda: sorted(names)) == sorted(NAMES)
    assert await db(claim_business) is None
    assert {"event": "templates.listed", "channel": claimed.channel_id, "count": 3, "log_level": "info"} in capture_log


async def test_a_failure_is_kept_and_shown_and_the_list_tried_again(desk, db, clock) -> None:
    desk.provider.health = ChannelHealth(ok=False, detail="The provider is away.")
    await bring(desk, db)
    business = await db(Business.objects.filter(tenant_id=desk.tenant_id).get)
    assert (business.code, business.detail, business.synced_at) == (
        "provider_unavailable",
        "The provider is away.",
        None,
    )
    desk.provider.health = ChannelHealth(ok=True, detail="")
    clock.now = business.due_at
    await bring(desk, db)
    business = await db(Business.objects.filter(tenant_id=desk.tenant_id).get)
    assert (business.code, business.synced_at.timestamp()) == ("", clock.now)


async def test_a_bug_of_an_adapter_costs_one_list(desk, db, capture_log) -> None:
    desk.provider.templates = None
    await bring(desk, db)
    business = await db(Business.objects.filter(tenant_id=desk.tenant_id).get)
    assert business.detail == "The templates could not be listed."
    assert [line["error"] for line in capture_log if line["event"] == "provider.error"] == ["TypeError"]


async def test_a_list_without_an_end_is_given_up() -> None:
    class Endless:
        asked = 0

        async def list_templates(self, after=None):
            self.asked += 1
            return TemplatePage([], f"{after} again")

    provider = Endless()
    with pytest.raises(ProviderUnavailable, match="does not end"):
        await list_templates(provider)
    assert provider.asked == MOST_PAGES


async def test_an_unclear_answer_to_a_list_does_no_harm() -> None:
    class Unclear:
        async def list_templates(self, _after=None):
            raise OutcomeUnknown("Meta answered 500 without an error code.")

    with pytest.raises(ProviderUnavailable, match="500"):
        await list_templates(Unclear())


async def test_a_provider_without_templates_says_so() -> None:
    with pytest.raises(Rejected) as refused:
        await list_templates(object())
    assert refused.value.code == "templates_unsupported"


async def test_a_channel_whose_business_is_known_says_where(desk, db) -> None:
    channel = await db(get_channel, desk.tenant_id, "shop")
    business = await db(Business.objects.filter(tenant_id=desk.tenant_id).get)
    assert (channel.business_id, business.account) == (business.pk, "7")
