"""Facts: what a transcript's header says, with a type asked for at each look.

A header is JSON: numbers where sysfs shows numbers, text where it shows text. What the kernel did not offer is absent.
"""

from typing import Any

Json = dict[str, Any]


class FactError(ValueError):
    """A header that cannot be used; the text says what of it."""


class Facts:
    """`where` names the part of the header, for complaints."""

    def __init__(self, values: Json, where: str) -> None:
        self.values = values
        self.where = where

    def has(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        """As sysfs would show it."""
        value = self.values.get(name)
        return default if value is None else str(value)

    def number(self, name: str, default: int = 0) -> int:
        """A number, also where it was written as text in any base."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, int):
            return value
        try:
            return int(str(value), 0)
        except ValueError:
            raise FactError(f"{self.where}: {name} is {value!r}, which is not a number") from None

    def part(self, name: str) -> "Facts":
        """A part of it; an empty one when it is absent."""
        value = self.values.get(name)
        return Facts(value if isinstance(value, dict) else {}, f"{self.where}: {name}")

    def names(self) -> list[str]:
        return list(self.values)

    def words(self, name: str) -> list[str]:
        """A list of texts."""
        value = self.values.get(name)
        return [str(word) for word in value] if isinstance(value, list) else []
