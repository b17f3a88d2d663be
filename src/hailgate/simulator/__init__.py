"""A fake WhatsApp in a process of its own, for tests, demonstrations and harnesses.

It imports nothing else of Hailgate, so that it can disagree with it: what it believes about a provider is
read from that provider's documentation, not from our adapter. `python -m hailgate.simulator --home DIR`
starts it.
"""
