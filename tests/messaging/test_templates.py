"""Templates are kept in step with their provider, whatever is told in whatever order, and sends are held to them."""

import json

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st

import given
from hailgate.core.content import parse_outbound
from hailgate.core.errors import InputError, NotFound, ProviderThrottled, ProviderUnavailable
from hailgate.core.events import TemplateChange
from hailgate.core.templates import TemplateDefinition as Listed
from hailgate.core.templates import fill_call, preview_template
from hailgate.messaging.channels.admin import change_settings
from hailgate.messaging.channels.hooks import add_hook
from hailgate.messaging.channels.registry import add_channel, get_channel
from hailgate.messaging.models import Business, Channel, Template
from hailgate.messaging.templates.lookup import TemplateQuery, check_calls, get_sendable, is_marketing, list_sendable
from hailgate.messaging.templates.sync import (
    LISTING_S,
    REFRESH_S,
    SETTLING_S,
    Synced,
    ask_for_list,
    claim_business,
    record_list,
    record_not_listed,
    take_business,
)
from messaging.acting import apply

WABA = "102000000000001"
BODY = json.dumps([{"type": "BODY", "text": "Order {{1}} is {{2}}."}])


def listed(name="order_update", language="en_US", **changes):
    return Listed("1600", name, language, "UTILITY", "APPROVED", "GREEN", components=BODY)._replace(**changes)


@pytest.fixture
def selling(tenant, hook, clock):
    """A channel that says where its templates are."""
    settings = given.CHANNEL_SETTINGS | {"waba_id": WABA}
    add_channel(tenant.id, "cloud", "shop", given.NUMBER, settings, hook=hook.id)
    return row("shop", tenant.id)


def row(name, tenant_id) -> Channel:
    return Channel.objects.get(tenant_id=tenant_id, name=name)


def sync(channel, *templates) -> Synced:
    return record_list(take_business(channel), templates)


def stored(channel, name="order_update", language="en_US") -> Template:
    return Template.objects.get(tenant_id=channel.tenant_id, name=name, language=language)


def business(channel) -> Business:
    return Business.objects.get(tenant_id=channel.tenant_id)


def happened(clock, **changes) -> TemplateChange:
    whole = {"business": WABA, "provider_id": "1600", "name": "order_update", "language": "en_US", "at": clock.now}
    return TemplateChange(**whole | changes)


def fault(channel, *parameters, name="order_update", language="en_US"):
    components = [{"type": "body", "parameters": [{"type": "text", "text": each} for each in parameters]}]
    wanted = {"name": name, "language": {"code": language}, "components": components}
    call = parse_outbound({"type": "template", "template": wanted}).template
    return check_calls([TemplateQuery(channel.business_id, call)])[0]


# --- businesses -------------------------------------------------------------------------------------------------------


def test_a_channel_with_a_business_account_has_its_templates_listed_at_once(selling, clock):
    claimed = claim_business()
    assert (claimed.id, claimed.channel_id, claimed.tenant_id) == (selling.business_id, selling.id, selling.tenant_id)
    assert claim_business() is None
    clock.now += LISTING_S
    assert claim_business().tries == 2  # whoever took it is given up


def test_channels_of_one_account_share_a_business(selling, tenant, stranger, hook, clock):
    more = given.CHANNEL_SETTINGS | {"waba_id": WABA, "phone_number_id": "106500000000002"}
    add_channel(tenant.id, "cloud", "kiosk", "15550100001", more, hook=hook.id)
    add_channel(stranger.id, "cloud", "shop", "15550100002", more)
    assert row("kiosk", tenant.id).business_id == selling.business_id
    assert row("shop", stranger.id).business_id != selling.business_id


def test_a_channel_learns_its_account_later(channel, clock):
    bare = row("front desk", channel.tenant_id)
    with pytest.raises(InputError) as refused:
        ask_for_list(bare)
    assert (refused.value.code, refused.value.field) == ("templates_nowhere", "waba_id")
    assert "waba_id: is missing among the channel's settings" in refused.value.detail
    assert claim_business() is None
    change_settings(bare, {"waba_id": WABA})
    assert claim_business().channel_id == channel.id
    assert get_channel(channel.tenant_id, "front desk").business_id is not None


def test_a_business_that_no_channel_uses_is_left_alone(selling, clock):
    Channel.objects.filter(tenant_id=selling.tenant_id).update(active=False)
    assert claim_business() is None
    assert business(selling).due_at == clock.now + REFRESH_S


def test_a_list_that_fails_is_tried_again_later_and_later(selling, clock):
    waits = []
    for _ in range(12):
        claimed = claim_business()
        record_not_listed(claimed, ProviderUnavailable("No connection to the provider."))
        waits.append(business(selling).due_at - clock.now)
        clock.now = business(selling).due_at
    assert waits[0] < waits[1] < waits[2]
    assert waits[-1] == REFRESH_S
    assert (business(selling).code, business(selling).detail) == (
        "provider_unavailable",
        "No connection to the provider.",
    )
    record_not_listed(claim_business(), ProviderThrottled(retry_after=900))
    assert business(selling).due_at == clock.now + 900
    ask_for_list(selling)
    record_list(claim_business(), [])
    assert (business(selling).code, business(selling).tries, business(selling).due_at) == ("", 0, clock.now + REFRESH_S)


# --- lists ------------------------------------------------------------------------------------------------------------


def test_a_list_is_brought_in_and_a_second_one_changes_nothing(selling, clock):
    templates = [listed(), listed(language="de"), listed("promo", named=True, status="PAUSED", reason="LOW_QUALITY")]
    assert sync(selling, *templates) == Synced(3, 3, 0, 0)
    clock.now += 1
    assert sync(selling, *templates) == Synced(3, 0, 0, 0)
    promo = stored(selling, "promo")
    assert (promo.status, promo.reason, promo.named, promo.components) == ("PAUSED", "LOW_QUALITY", True, BODY)
    assert promo.synced_at.timestamp() == business(selling).synced_at.timestamp() == clock.now


def test_what_is_not_listed_any_more_is_gone_and_may_come_back(selling, clock):
    sync(selling, listed(), listed("promo"))
    uid = stored(selling, "promo").uid
    clock.now += 1
    assert sync(selling, listed()) == Synced(1, 0, 0, 1)
    assert stored(selling, "promo").gone_at.timestamp() == clock.now
    clock.now += 1
    assert sync(selling, listed()) == Synced(1, 0, 0, 0)
    assert sync(selling, listed(), listed("promo", provider_id="1700")) == Synced(2, 0, 1, 0)
    assert (stored(selling, "promo").gone_at, stored(selling, "promo").provider_id) == (None, "1700")
    assert stored(selling, "promo").uid == uid


def test_of_two_lists_the_later_one_stands(selling, clock):
    earlier = take_business(selling)
    clock.now += 1
    sync(selling, listed(status="PAUSED"))
    clock.now += 1
    assert record_list(earlier, [listed(), listed("promo")]) == Synced(2, 0, 0, 0)
    assert stored(selling).status == "PAUSED"
    assert Template.objects.filter(tenant_id=selling.tenant_id).count() == 1


def test_what_is_told_while_a_list_is_made_stands_and_is_looked_at_again(selling, clock):
    sync(selling, listed(), listed("promo"))
    clock.now += 1000
    begun = take_business(selling)
    clock.now += 1
    apply(selling, happened(clock, status="PAUSED"), happened(clock, name="promo", quality="RED"))
    clock.now += 1
    record_list(begun, [listed(category="MARKETING")])
    assert (stored(selling).status, stored(selling).category) == ("PAUSED", "UTILITY")
    assert stored(selling, "promo").gone_at is None
    assert business(selling).due_at == clock.now + SETTLING_S


# --- webhooks ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def synced(selling, clock):
    """A while ago."""
    sync(selling, listed())
    clock.now += 1000
    return selling


def test_each_change_has_its_effect_at_once_and_once(synced, clock):
    paused = happened(clock, status="PAUSED", reason="LOW_QUALITY")
    assert apply(synced, paused) == "1 template"
    assert apply(synced, paused) == "1 repeated"
    assert apply(synced, happened(clock, quality="RED"), happened(clock, category="MARKETING")) == "2 template"
    now = stored(synced)
    assert (now.status, now.reason, now.quality, now.category) == ("PAUSED", "LOW_QUALITY", "RED", "MARKETING")
    assert claim_business() is None  # the first one was recorded by hand, and nothing is in doubt


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_in_whatever_order_they_come_the_last_one_stands(synced, clock, order):
    told = [
        happened(clock, status="PAUSED", at=clock.now),
        happened(clock, status="APPROVED", at=clock.now + 10),
        happened(clock, status="DISABLED", at=clock.now + 20),
    ]
    for place in order:
        apply(synced, told[place])
    assert stored(synced).status == "DISABLED"


FACETS = {
    "status": ("PAUSED", "APPROVED", "DISABLED"),
    "quality": ("GREEN", "RED"),
    "category": ("MARKETING", "UTILITY"),
}
told_of = st.sampled_from([(name, value) for name, values in FACETS.items() for value in values])


@settings(max_examples=20)
@hypothesis.given(
    told=st.lists(told_of, min_size=1, max_size=8), order=st.randoms(use_true_random=False), batches=st.booleans()
)
def test_any_order_and_any_repetition_ends_in_what_was_told_last(synced, clock, told, order, batches):
    clock.now += 10_000
    sync(synced, listed())
    clock.now += 1000
    events = [happened(clock, at=clock.now + place, **{name: value}) for place, (name, value) in enumerate(told)]
    mixed = events * 2
    order.shuffle(mixed)
    for batch in [mixed] if batches else [[event] for event in mixed]:
        apply(synced, *batch)
    now = stored(synced)
    assert {name: getattr(now, name) for name, _ in told} == dict(told)


def test_what_is_older_than_the_last_list_has_no_effect(synced, clock):
    apply(synced, happened(clock, status="PAUSED", at=clock.now - 5000))
    assert stored(synced).status == "APPROVED"


def test_what_may_have_crossed_a_list_is_looked_at_again(selling, clock):
    sync(selling, listed())
    apply(selling, happened(clock, status="PAUSED"))
    assert (stored(selling).status, business(selling).due_at) == ("PAUSED", clock.now + SETTLING_S)


def test_a_template_that_is_only_heard_of_is_kept_and_listed(synced, clock):
    apply(synced, happened(clock, name="fresh", provider_id="9", status="APPROVED"))
    assert fault(synced, "whatever", name="fresh") is None
    assert business(synced).due_at == clock.now + SETTLING_S
    clock.now += SETTLING_S + 1
    record_list(claim_business(), [listed(), listed("fresh", provider_id="9")])
    assert fault(synced, "too few", name="fresh").field == "template.components[0].parameters"


def test_changed_components_are_unknown_until_they_are_listed(synced, clock):
    assert fault(synced, "one").field
    apply(synced, happened(clock, outdated=True))
    assert fault(synced, "one") is None
    assert business(synced).due_at == clock.now + SETTLING_S


def test_a_deleted_template_is_gone_and_a_new_one_of_its_name_takes_its_place(synced, clock):
    apply(synced, happened(clock, status="DELETED"))
    assert stored(synced).gone_at.timestamp() == clock.now
    assert fault(synced, "42", "shipped").field == "template.name"
    clock.now += 60
    apply(synced, happened(clock, status="APPROVED", provider_id="1700"))
    record_list(take_business(synced), [listed(provider_id="1700")])
    assert fault(synced, "42", "shipped") is None
    apply(synced, happened(clock, status="DELETED", at=clock.now + 1))  # the old one's, late
    assert stored(synced).gone_at is None


def test_templates_of_a_foreign_account_have_no_effect(synced, clock):
    assert apply(synced, happened(clock, business="999", status="PAUSED")) == "1 for an account not attached here"
    assert stored(synced).status == "APPROVED"


# --- sends ------------------------------------------------------------------------------------------------------------


def test_a_call_is_held_to_what_is_known(synced):
    assert fault(synced, "42", "shipped") is None
    assert fault(synced, "42").field == "template.components[0].parameters"
    assert fault(synced, name="nothing").field == "template.name"
    assert fault(synced, language="de").detail.endswith("it exists in: en_US.")


SID = "HX" + "a" * 32


def test_a_call_by_the_providers_id_is_held_to_the_same(tenant, clock):
    """Where its ids have a form of their own; one that is in no list is the provider's to judge."""
    settings = {"account_sid": "AC" + "a" * 32, "auth_token": "t" * 32}
    hook = add_hook(tenant.id, "twilio", {"auth_token": "t" * 32})
    add_channel(tenant.id, "twilio", "shop", given.NUMBER, settings, hook=hook.id)
    shop = row("shop", tenant.id)
    assert fault(shop, name=SID) is None
    sync(shop, listed(provider_id=SID))
    assert fault(shop, "42", "shipped", name=SID) is None
    assert fault(shop, "42", name=SID).field == "template.components[0].parameters"
    assert fault(shop, name=SID, language="de").field == "template.language.code"
    assert fault(shop, name=SID.replace("a", "b")) is None
    assert fault(shop, name="nothing").field == "template.name"
    wanted = {"name": SID, "language": {"code": "en_US"}, "components": []}
    call = parse_outbound({"type": "template", "template": wanted}).template
    assert not is_marketing(tenant.id, shop.id, call)


def test_a_call_by_the_id_of_a_cloud_template_names_nothing(synced):
    assert fault(synced, "42", "shipped", name="1600").field == "template.name"


def test_where_nothing_was_ever_listed_the_provider_decides(selling):
    assert fault(selling, name="nothing") is None


def test_a_batch_is_looked_up_at_once(synced, django_executes):
    call = parse_outbound(
        {"type": "template", "template": {"name": "order_update", "language": {"code": "en_US"}}}
    ).template
    with django_executes() as statements:
        faults = check_calls([TemplateQuery(synced.business_id, call)] * 50 + [TemplateQuery(None, call)])
    assert [each is None for each in faults] == [False] * 50 + [True]
    assert len(statements) == 1


# --- what a form shows ------------------------------------------------------------------------------------------------


def test_sendable_templates_are_listed_with_their_variables_and_previewed(synced, stranger, clock):
    carousel = json.dumps([{"type": "CAROUSEL", "cards": [{"components": []}]}])
    sync(
        synced,
        listed(),
        listed("a", language="de"),
        listed("old", status="PAUSED"),
        listed("cards", components=carousel),
    )
    found = list_sendable(synced.tenant_id, synced.id)
    assert [(each.template.name, each.template.language) for each in found] == [("a", "de"), ("order_update", "en_US")]
    (_, chosen) = found
    assert [each.key for each in chosen.variables] == ["body.1", "body.2"]
    values = {"body.1": "42", "body.2": "shipped"}
    assert preview_template(chosen.definition, values).body == "Order 42 is shipped."
    again = get_sendable(synced.tenant_id, synced.id, chosen.uid)
    call = fill_call(again.template, again.definition, values)
    assert check_calls([TemplateQuery(synced.business_id, call)]) == [None]
    assert list_sendable(stranger.id, synced.id) == []
    for tenant_id, channel_id in ((stranger.id, synced.id), (synced.tenant_id, synced.id + 1)):
        with pytest.raises(NotFound):
            get_sendable(tenant_id, channel_id, chosen.uid)
