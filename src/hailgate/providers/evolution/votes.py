"""Votes in polls, as Evolution API tells them. Pure.

WhatsApp encrypts them. 2.4 reads a vote and puts the words of the options beside it (`selectedOptions`, `pollUpdates`);
before that a vote comes as it is and cannot be read, or its reading comes in an update of the poll itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from hailgate.core.address import Address, AddressKind
from hailgate.core.content import Inbound, Unsupported
from hailgate.core.content.inbound import InboundReply, PollReply, Voted, WhyNot
from hailgate.core.events import InboundMessage
from hailgate.providers.jids import parse_jid
from hailgate.providers.reading import identifier

VOTE: Final = "pollUpdateMessage"

Parts = Mapping[str, Any]
Update = tuple[str, list[Address]]


def read_vote(message: Parts, data: Parts) -> Inbound:
    """Of a message that is a vote. No option at all is a vote taken back or one that nobody could read: not told."""
    vote = _parts(_parts(message.get(VOTE)).get("vote"))
    chosen = _words(vote.get("selectedOptions")) or [name for name, voters in _updates(data) if voters]
    if not chosen:
        return Unsupported("poll_vote", msgspec.json.encode(message), WhyNot.UNREADABLE)
    return InboundReply(PollReply(Voted(tuple(chosen))))


def poll_voted_in(message: Parts) -> str | None:
    """WhatsApp's id of the poll; None for a message that is no vote."""
    return identifier(_parts(_parts(message.get(VOTE)).get("pollCreationMessageKey")).get("id"))


def parse_votes(data: Parts, instance: str, told_at: str) -> Iterator[InboundMessage]:
    """Of an update of a poll, one for each who voted. ``told_at`` keeps the same choice, made again, apart."""
    poll, chat, updates = identifier(data.get("keyId")), parse_jid(data.get("remoteJid")), list(_updates(data))
    if poll is None or chat is None or not isinstance(data.get("pollUpdates"), list):
        return
    for author, chosen in _ballots(chat, updates):
        message_id = f"{poll}:{(author or chat).value}:{told_at}"[:255]
        content = InboundReply(PollReply(Voted(chosen)))
        yield InboundMessage(instance, message_id, (chat,), author, None, 0.0, content, poll)


def _ballots(chat: Address, updates: list[Update]) -> Iterator[tuple[Address | None, tuple[str, ...]]]:
    """Who chose what. The one person of a chat may be named there by another address, or have taken the vote back."""
    if chat.kind is not AddressKind.GROUP:
        yield None, tuple(name for name, voters in updates if voters)
        return
    for person in dict.fromkeys(person for _, voters in updates for person in voters):
        yield person, tuple(name for name, voters in updates if person in voters)


def _updates(data: Parts) -> Iterator[Update]:
    """Each option with those who chose it."""
    told = data.get("pollUpdates")
    for each in told if isinstance(told, list) else []:
        name, voters = _parts(each).get("name"), _parts(each).get("voters")
        if isinstance(name, str):
            yield name, [known for jid in voters if (known := parse_jid(jid))] if isinstance(voters, list) else []


def _words(told: object) -> list[str]:
    return [word for word in told if isinstance(word, str)] if isinstance(told, list) else []


def _parts(told: Any) -> Parts:
    return told if isinstance(told, dict) else {}
