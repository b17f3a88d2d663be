"""Where people write to."""

import msgspec


class Place(msgspec.Struct, frozen=True):
    """A channel: what the API calls it, its number, and the provider's id of that number."""

    name: str
    number: str
    account: str

    @property
    def access_token(self) -> str:
        return f"token-of-{self.account}"
