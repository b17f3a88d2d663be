"""The service window: how long after a person's last message free text may be sent."""


def is_open(last_inbound_at: float | None, now: float, length: float | None) -> bool:
    """Whether free text may be sent. `length` is in seconds; None means that the provider has no window."""
    if length is None:
        return True
    return last_inbound_at is not None and now < last_inbound_at + length


def closes_at(last_inbound_at: float | None, length: float | None) -> float | None:
    """When the window closes; None where nothing can close."""
    if length is None or last_inbound_at is None:
        return None
    return last_inbound_at + length
