"""Setting up a channel in the console: forms made of settings, addresses that may not lead inside, what is shown."""

import re

import msgspec
import pytest
from django.test import override_settings

CLOUD = {
    "name": "front desk", "number": "+15550100000", "app_secret": "s3cret", "verify_token": "word-of-ours",
    "phone_number_id": "106540352242922", "access_token": "EAAG-token",
}  # fmt: skip
EVOLUTION = {"name": "phone", "instance": "clinic", "api_key": "server-key", "jwt_key": "k" * 24}


@pytest.fixture
def owner(sign_in, olivia):
    return sign_in(olivia)


def channel_of(tenant, name: str):
    from hailgate.messaging.models import Channel

    return Channel.objects.select_related("hook").get(tenant_id=tenant.pk, name=name)


def test_every_provider_is_offered_and_asks_for_its_own_settings(owner) -> None:
    from hailgate.messaging.channels.setup import settings_to_ask
    from hailgate.providers import list_providers

    chosen = owner.text("channels/new")
    for spec in list_providers():
        assert spec.label in chosen
        form = owner.text(f"channels/new/{spec.name}")
        for setting in settings_to_ask(spec, with_hook=True):
            assert f'name="{setting.name}"' in form
            assert setting.title in form


def test_a_form_speaks_of_what_its_provider_has_and_sets_apart_what_is_typed(owner) -> None:
    server, account = owner.text("channels/new/wppconnect"), owner.text("channels/new/twilio")
    assert "pairs the phone" in server
    assert "account finds all" not in server
    assert "account finds all" in account
    assert "<code>secretKey</code>" in server
    assert "`" not in re.sub(r"<script.*?</script>", "", server, flags=re.DOTALL)


def test_a_setting_of_hook_and_channel_is_asked_for_once_and_is_required_where_either_needs_it(store) -> None:
    from hailgate.messaging.channels.setup import settings_to_ask
    from hailgate.providers import get_provider

    asked = {each.name: each for each in settings_to_ask(get_provider("twilio"), with_hook=True)}
    assert asked["auth_token"].required  # a hook's; a channel may have an API key instead
    assert not {each.name: each for each in settings_to_ask(get_provider("twilio"), with_hook=False)}[
        "auth_token"
    ].required


def test_a_channel_and_its_hook_are_made_together_and_are_on_record(owner, tenant) -> None:
    from hailgate.accounts.models import AuditEntry
    from hailgate.messaging.channels.credentials import unseal_settings

    answer = owner.post("channels/new/cloud", CLOUD, part=False)
    made = channel_of(tenant, "front desk")
    assert (answer.status_code, answer["Location"]) == (302, f"/console/channels/{made.uid.hex}/setup")
    assert unseal_settings(made.hook.config) == {"app_secret": "s3cret", "verify_token": "word-of-ours"}
    assert unseal_settings(made.config) == {"phone_number_id": "106540352242922", "access_token": "EAAG-token"}
    entries = AuditEntry.objects.filter(tenant_id=tenant.pk, action__in=["hook.made", "channel.made"])
    assert [(entry.action, entry.name) for entry in entries.order_by("id")] == [
        ("hook.made", "Olivia"),
        ("channel.made", "Olivia"),
    ]


def test_a_second_number_of_an_account_can_receive_through_the_first_ones_hook(owner, tenant) -> None:
    owner.post("channels/new/cloud", CLOUD, part=False)
    hook = channel_of(tenant, "front desk").hook
    form = owner.text("channels/new/cloud", {"hook": hook.uid.hex})
    assert 'name="app_secret"' not in form
    second = {**CLOUD, "name": "ward", "number": "+15550100001", "phone_number_id": "106540352242923"}
    assert owner.post(f"channels/new/cloud?hook={hook.uid.hex}", second, part=False).status_code == 302
    assert channel_of(tenant, "ward").hook == hook


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"phone_number_id": "+1555"}, "Setting phone_number_id must be the id of the number"),
        ({"access_token": ""}, "Setting access_token is missing."),
        ({"number": "555"}, "number: needs 7 to 15 digits"),
        ({"name": " "}, "name: needs 1 to 100 characters."),
        ({"api_url": "http://169.254.169.254"}, "Setting api_url must lead to a public address"),
        ({"api_url": "http://10.0.0.7:8080"}, "Setting api_url must use the usual port of its scheme, 80 or 443"),
        ({"api_url": "http://127.1"}, "Setting api_url must write an IPv4 address as four decimal numbers"),
        ({"api_url": "file:///etc/passwd"}, "Setting api_url must be"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_made(owner, tenant, change, says: str) -> None:
    from hailgate.messaging.models import Channel, Hook

    def count() -> tuple[int, int]:
        return Channel.objects.filter(tenant_id=tenant.pk).count(), Hook.objects.filter(tenant_id=tenant.pk).count()

    before = count()
    answer = owner.post("channels/new/cloud", CLOUD | change, part=False)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert says in page
    assert "EAAG-token" not in page  # what is secret is typed again
    assert count() == before


def test_a_server_inside_is_reached_only_where_the_owner_of_the_installation_listed_it(owner, tenant) -> None:
    answer = owner.post("channels/new/evolution", EVOLUTION, part=False)
    assert (answer.status_code, "HAILGATE_PROVIDER_HOSTS" in answer.content.decode()) == (422, True)
    with override_settings(PROVIDER_HOSTS=frozenset({"127.0.0.1:8080"})):
        assert owner.post("channels/new/evolution", EVOLUTION, part=False).status_code == 302
    assert channel_of(tenant, "phone").number == ""


def test_a_name_that_leads_inside_is_refused_as_its_address_would_be(store) -> None:
    from hailgate.core.egress import EgressRules
    from hailgate.core.errors import InputError
    from hailgate.messaging.channels.setup import check_addresses
    from hailgate.providers import get_provider

    def check(*addresses: str, allowed=frozenset()) -> None:
        settings = {"api_url": "https://evo.example"}
        check_addresses(get_provider("evolution"), settings, EgressRules(allowed), lambda _h, _p: addresses)

    check("93.184.216.34")
    for addresses in (("10.0.0.1",), ("93.184.216.34", "127.0.0.1"), ("::1",), ()):
        with pytest.raises(InputError, match="public address"):
            check(*addresses)
    check("10.0.0.1", allowed=frozenset({"evo.example"}))


def test_the_address_is_shown_on_request_and_that_is_on_record(owner, tenant) -> None:
    from hailgate.accounts.models import AuditEntry
    from hailgate.accounts.seal import sealer

    owner.post("channels/new/cloud", CLOUD, part=False)
    made = channel_of(tenant, "front desk")
    token = sealer().unseal(made.hook.token)
    assert token not in owner.text(f"channels/{made.uid.hex}/setup")
    shown = owner.post(f"channels/{made.uid.hex}/address")
    assert (token in shown.content.decode(), "word-of-ours" in shown.content.decode()) == (True, True)
    assert "s3cret" not in shown.content.decode()
    assert "no-store" in shown["Cache-Control"]
    assert AuditEntry.objects.filter(tenant_id=tenant.pk, action="hook.revealed").count() == 1


def test_a_provider_is_asked_whether_it_posts_to_our_address(owner, tenant, monkeypatch) -> None:
    from hailgate.messaging.channels.credentials import ChannelCredentials

    told = []
    connect = ChannelCredentials.connect
    monkeypatch.setattr(
        ChannelCredentials, "connect", lambda *given: told.append(given[2]) or connect(*given)
    )  # fmt: skip
    there = "http://127.0.0.1:9"
    with override_settings(PROVIDER_HOSTS=frozenset({"127.0.0.1:9"}), PUBLIC_URL=there, REACHED_AT=there):
        owner.post("channels/new/evolution", EVOLUTION | {"api_url": there}, part=False)
        assert owner.post(f"channels/{channel_of(tenant, 'phone').uid.hex}/check").status_code == 200
    assert told == [there]


def test_a_secret_left_empty_stays_and_what_is_changed_is_named_on_record(owner, tenant) -> None:
    from hailgate.accounts.models import AuditEntry
    from hailgate.messaging.channels.credentials import unseal_settings

    owner.post("channels/new/cloud", CLOUD, part=False)
    made = channel_of(tenant, "front desk")
    form = owner.text(f"channels/{made.uid.hex}/edit")
    assert ("EAAG-token" in form, "106540352242922" in form) == (False, True)
    changes = {
        "name": "reception", "rate": "20", "calling_code": "55", "answered_by": "person",
        "phone_number_id": "106540352242999", "access_token": "",
    }  # fmt: skip
    assert owner.post(f"channels/{made.uid.hex}/edit", changes, part=False).status_code == 302
    changed = channel_of(tenant, "reception")
    assert unseal_settings(changed.config) == {"phone_number_id": "106540352242999", "access_token": "EAAG-token"}
    assert (changed.calling_code, round(1 / changed.rate_interval)) == ("55", 20)
    [entry] = AuditEntry.objects.filter(tenant_id=tenant.pk, action="channel.changed")
    assert entry.detail == "was front desk, rate, calling code, phone_number_id"


def test_a_change_that_is_refused_changes_nothing(owner, tenant) -> None:
    owner.post("channels/new/cloud", CLOUD, part=False)
    made = channel_of(tenant, "front desk")
    changes = {"name": "reception", "rate": "0", "answered_by": "person", "calling_code": ""}
    answer = owner.post(f"channels/{made.uid.hex}/edit", changes, part=False)
    assert answer.status_code == 422
    assert "rate: needs 0.01 to 10,000" in answer.content.decode()
    assert channel_of(tenant, "front desk").name == "front desk"


def test_a_removed_channel_takes_its_hook_along_unless_another_receives_through_it(owner, tenant) -> None:
    from hailgate.messaging.models import Channel, Hook

    owner.post("channels/new/cloud", CLOUD, part=False)
    made = channel_of(tenant, "front desk")
    assert "Remove front desk?" in owner.text(f"channels/{made.uid.hex}/remove")
    assert owner.post(f"channels/{made.uid.hex}/remove", part=False).status_code == 302
    assert not Channel.objects.get(tenant_id=tenant.pk, uid=made.uid).active
    assert not Hook.objects.get(tenant_id=tenant.pk, uid=made.hook.uid).active


def test_agents_and_other_tenants_find_nothing_here(sign_in, adam, owner, tenant, eve) -> None:
    owner.post("channels/new/cloud", CLOUD, part=False)
    uid = channel_of(tenant, "front desk").uid.hex
    for path in ("setup", "edit", "remove"):
        assert sign_in(adam).get(f"channels/{uid}/{path}").status_code == 403
        assert eve.get(f"channels/{uid}/{path}").status_code == 404
    for path in ("address", "check", "edit", "remove"):
        assert sign_in(adam).post(f"channels/{uid}/{path}").status_code == 403
        assert eve.post(f"channels/{uid}/{path}").status_code == 404


def test_every_address_that_is_called_is_named_so(store) -> None:
    """The egress rule finds addresses by their names."""
    from hailgate.providers import list_providers
    from hailgate.providers.config import describe_settings

    for spec in list_providers():
        for setting in describe_settings(spec.channel_config):
            looks_so = any(word.startswith("http") for word in (setting.example, setting.default or ""))
            assert setting.is_url == looks_so, (spec.name, setting.name)


def test_a_channel_that_an_external_service_keeps_is_not_changed_here(owner, tenant) -> None:
    from hailgate.messaging.models import Channel

    owner.post("channels/new/cloud", CLOUD, part=False)
    made = channel_of(tenant, "front desk")
    Channel.objects.filter(tenant_id=tenant.pk, pk=made.pk).update(source="clinic")
    assert owner.get(f"channels/{made.uid.hex}/edit").status_code == 404


def test_settings_are_stored_sealed(owner, tenant) -> None:
    owner.post("channels/new/cloud", CLOUD, part=False)
    made = channel_of(tenant, "front desk")
    assert "EAAG-token" not in made.config
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(made.config)
