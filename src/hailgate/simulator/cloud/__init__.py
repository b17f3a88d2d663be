"""Meta's WhatsApp Cloud API, from the other side."""
