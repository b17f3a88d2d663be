"""Remedies: what a person can do about a message that failed."""

from enum import StrEnum


class Remedy(StrEnum):
    """What may work."""

    AGAIN = "again"
    EDIT = "edit"
    TEMPLATE = "template"
    SETTLE = "settle"
    NONE = "none"
