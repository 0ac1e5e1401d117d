"""Arguments of the recorder's own commands: `name=value` words, sizes with a letter behind them."""

from typing import Final

_UNITS: Final = {"k": 1024, "m": 1 << 20}


def size_of(text: str) -> int:
    """A size in bytes: `4096`, `0x1000`, `4k`, `1m`. ValueError."""
    word = text.lower()
    if word[-1:] in _UNITS:
        return int(word[:-1]) * _UNITS[word[-1]]
    return int(word, 0)


def options_of(words: list[str]) -> dict[str, str]:
    """ValueError when a word has no `=`."""
    options: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r} is not NAME=VALUE")
        options[name] = value
    return options
