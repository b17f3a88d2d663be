"""How far a message has come: one chain, climbed and never descended."""

from enum import IntEnum


class Status(IntEnum):
    """The rank is what the database stores and raises with GREATEST.

    FAILED ranks below DELIVERED because a receipt is evidence: providers are known to report a failure
    and then the delivery. READ may come without any DELIVERED.
    """

    QUEUED = 0
    SENT = 1
    FAILED = 2
    DELIVERED = 3
    READ = 4
    PLAYED = 5

    @property
    def word(self) -> str:
        """The name in the API and in events."""
        return self.name.lower()


# Ranks at which nothing says that the provider took the message.
UNPROVEN = (Status.QUEUED, Status.FAILED)
