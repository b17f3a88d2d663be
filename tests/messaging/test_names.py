"""What people are called: the newest name that their provider told, in whatever it came; a group keeps its own."""

import pytest

from hailgate.accounts.seal import sealer
from hailgate.core.address import Address, AddressKind
from hailgate.core.events import Change, MarketingChoice, MessageChange
from hailgate.core.status import Status
from hailgate.messaging.models import Contact
from messaging.acting import account_of, apply, claim_one, deliver, new_worker, phone, send, told, wrote

SCOPED = Address(AddressKind.BSUID, "US.13491208655302741918")
GROUP = Address(AddressKind.GROUP, "120363019999999999")


def called(channel) -> list[str]:
    contacts = Contact.objects.filter(tenant_id=channel.tenant_id, merged_into=None).order_by("id")
    return [sealer().unseal(contact.name) for contact in contacts]


def message(channel, at):
    return wrote(channel, 1, name="Ada", at=at)


def status(channel, at):
    to = send(channel, 1)
    deliver(worker := new_worker(), claim_one(worker))
    event = told(channel, Status.DELIVERED, "w", tracker=f"{to.uid}.1", at=at, recipient=phone(1))
    return type(event)(**{name: getattr(event, name) for name in event.__struct_fields__} | {"name": "Ada"})


def reaction(channel, at, chat=None):
    author = phone(1)
    chat = (chat or author,)
    return MessageChange(account_of(channel), "r", "in.1", Change.REACTION, author, at, "!", None, chat, "Ada")


def choice(channel, at):
    return MarketingChoice(account_of(channel), (phone(1),), True, at, "Ada")


TELLING = [message, status, reaction, choice]


@pytest.mark.parametrize("tells", TELLING)
def test_who_was_first_written_to_gets_a_name_from_whatever_tells_it(wide, worker, clock, tells):
    send(wide, 1)
    deliver(worker, claim_one(worker))
    assert called(wide) == [""]
    apply(wide, tells(wide, clock.now))
    assert called(wide) == ["Ada"]


@pytest.mark.parametrize("tells", TELLING)
@pytest.mark.parametrize(("later", "stands"), [(1, "Ada"), (-1, "Countess")])
def test_the_newest_name_by_the_providers_time_stands(wide, clock, tells, later, stands):
    apply(wide, wrote(wide, 1, name="Countess", at=clock.now - 60))
    apply(wide, tells(wide, clock.now - 60 + later))
    assert called(wide) == [stands]


def test_a_group_is_not_called_as_who_writes_in_it(wide):
    apply(wide, wrote(wide, GROUP, name="Ada", author=phone(1)))
    apply(
        wide, MessageChange(account_of(wide), "r", "in.1", Change.REACTION, phone(1), 0.0, "!", None, (GROUP,), "Ada")
    )
    assert called(wide) == [""]
