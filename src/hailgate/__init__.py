"""Self-hosted WhatsApp gateway, assistant and inbox that loses no message."""
