"""Ids as callers, pages and providers write them."""

from uuid import UUID


def find_uid(text: str) -> UUID | None:
    """None for what is none: an id that nobody has."""
    try:
        return UUID(text)
    except ValueError:
        return None
