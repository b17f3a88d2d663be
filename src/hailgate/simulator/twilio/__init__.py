"""Twilio's WhatsApp over the Messages and Content APIs, from the other side."""
