"""Contacts as a vCard file, which is how providers hand them on. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def render_vcards(contacts: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(render_vcard(contact) for contact in contacts).encode()


def render_vcard(contact: Mapping[str, Any]) -> str:
    name = str(contact.get("name", {}).get("formatted_name", ""))
    phones = [render_phone(phone) for phone in contact.get("phones", []) if phone.get("phone")]
    emails = [f"EMAIL:{email['email']}" for email in contact.get("emails", []) if email.get("email")]
    return "\n".join(["BEGIN:VCARD", "VERSION:3.0", f"N:;{name};;;", f"FN:{name}", *phones, *emails, "END:VCARD", ""])


def render_phone(phone: Mapping[str, Any]) -> str:
    """With the number's digits where it is on WhatsApp."""
    waid = f";waid={phone['wa_id']}" if phone.get("wa_id") else ""
    return f"TEL;type=CELL{waid}:{phone['phone']}"
