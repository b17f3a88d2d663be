"""vCards: contact cards as phones pass them on (RFC 6350, in the older 3.0 that WhatsApp writes). Pure."""

import re

from hailgate.core.content.inbound import (
    InboundContacts,
    ReceivedCard,
    ReceivedCompany,
    ReceivedEmail,
    ReceivedName,
    ReceivedPhone,
    ReceivedUrl,
)
from hailgate.core.content.parts import Card

MOST_CARDS = 257
MOST_LINES = 200
_WAID = re.compile(r"waid=(\d{5,20})", re.IGNORECASE)


def parse_vcards(texts: list[str]) -> InboundContacts | None:
    """None where no text is a vCard."""
    cards = [card for text in texts[:MOST_CARDS] if (card := _parse(text))]
    return InboundContacts(tuple(cards)) if cards else None


def render_vcard(card: Card) -> str:
    """With the number in `waid`, which makes a phone offer to write to it."""
    lines = ["BEGIN:VCARD", "VERSION:3.0", f"FN:{_escaped(card.name.formatted_name)}"]
    lines.append(f"N:{_escaped(card.name.last_name or '')};{_escaped(card.name.first_name or '')};;;")
    if card.org and card.org.company:
        lines.append(f"ORG:{_escaped(card.org.company)}")
    for phone in card.phones:
        known = f";waid={phone.wa_id}" if phone.wa_id else ""
        lines.append(f"TEL;type={_escaped(phone.type or 'CELL')}{known}:{_escaped(phone.phone or phone.wa_id or '')}")
    lines += [f"EMAIL:{_escaped(email.email or '')}" for email in card.emails]
    lines += [f"URL:{_escaped(url.url or '')}" for url in card.urls]
    return "\n".join([*lines, "END:VCARD"])


def _parse(text: str) -> ReceivedCard | None:
    if "BEGIN:VCARD" not in text.upper():
        return None
    found: dict[str, list[tuple[str, str]]] = {}
    for line in _unfolded(text)[:MOST_LINES]:
        head, colon, value = line.partition(":")
        name = head.partition(";")[0].rpartition(".")[2].upper()
        if colon and value.strip():
            found.setdefault(name, []).append((head, _unescaped(value.strip())))
    names = [value for _, value in found.get("FN", []) or found.get("N", [])]
    return ReceivedCard(
        name=ReceivedName(formatted_name=names[0]) if names else None,
        phones=tuple(ReceivedPhone(phone=value, wa_id=_waid(head)) for head, value in found.get("TEL", [])),
        emails=tuple(ReceivedEmail(email=value) for _, value in found.get("EMAIL", [])),
        urls=tuple(ReceivedUrl(url=value) for _, value in found.get("URL", [])),
        org=next((ReceivedCompany(company=value.strip(";")) for _, value in found.get("ORG", [])), None),
    )


def _unfolded(text: str) -> list[str]:
    """A line that begins with a space goes on with the one before (RFC 6350, 3.2)."""
    return re.sub(r"\r?\n[ \t]", "", text).splitlines()


def _waid(head: str) -> str | None:
    found = _WAID.search(head)
    return found[1] if found else None


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace(",", "\\,").replace(";", "\\;")


def _unescaped(value: str) -> str:
    return re.sub(r"\\([nN,;\\])", lambda found: "\n" if found[1] in "nN" else found[1], value)
