"""Parameters of a call, checked one by one and refused in Meta's words. Pure."""

from collections.abc import Collection, Mapping
from typing import Any

from hailgate.simulator.cloud.errors import GraphError

NO_LIMIT = 10**9


class Params:
    """A JSON object of the call and where it stands, in Meta's notation: interactive['action']['buttons'][0].

    A value of the wrong JSON type is error 100, a missing one 131008, a wrong one 131009.
    """

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise GraphError(100, f"Param {path} must be a dictionary.")
        self.value: Mapping[str, Any] = value
        self.path = path

    def __contains__(self, name: str) -> bool:
        return self.value.get(name) is not None

    def path_of(self, name: str) -> str:
        return f"{self.path}['{name}']"

    def get(self, name: str) -> Any:
        if name not in self:
            raise GraphError(131008, f"Required parameter is missing: {self.path_of(name)}.")
        return self.value[name]

    def get_params(self, name: str) -> "Params":
        return Params(self.get(name), self.path_of(name))

    def get_list(self, name: str, least: int = 1, most: int = NO_LIMIT) -> "list[Params]":
        values = self.get(name)
        if not isinstance(values, list):
            raise GraphError(100, f"Param {self.path_of(name)} must be an array.")
        if not least <= len(values) <= most:
            raise wrong(f"{self.path_of(name)} length invalid. Min length: {least}, Max length: {most}")
        return [Params(value, f"{self.path_of(name)}[{index}]") for index, value in enumerate(values)]

    def get_text(self, name: str, most: int = NO_LIMIT) -> str:
        text = self.get(name)
        if not isinstance(text, str):
            raise GraphError(100, f"Param {self.path_of(name)} must be a string.")
        if not 1 <= len(text) <= most:
            raise wrong(f"{self.path_of(name)} length invalid. Min length: 1, Max length: {most}")
        return text

    def find_text(self, name: str, most: int = NO_LIMIT) -> str | None:
        return self.get_text(name, most) if name in self else None

    def get_choice(self, name: str, choices: Collection[str]) -> str:
        choice = self.get_text(name)
        if choice not in choices:
            raise wrong(f"Param {self.path_of(name)} must be one of {{{', '.join(choices).upper()}}}.")
        return choice

    def find_flag(self, name: str) -> bool:
        flag = self.value.get(name, False)
        if not isinstance(flag, bool):
            raise GraphError(100, f"Param {self.path_of(name)} must be one of {{TRUE, FALSE}}.")
        return flag

    def get_number(self, name: str, least: float, most: float) -> float:
        """Meta takes a number that is written as a string."""
        try:
            number = float(self.get(name))
        except (TypeError, ValueError):
            raise GraphError(100, f"Param {self.path_of(name)} must be a number.") from None
        if not least <= number <= most:
            raise wrong(f"Param {self.path_of(name)} must be between {least:g} and {most:g}.")
        return number


def wrong(details: str) -> GraphError:
    return GraphError(131009, details)
