"""Options of the tools whose value is a list of known words, such as `--modes rq,bio`."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

Parsed = TypeVar("Parsed")
Callback = Callable[[click.Context, click.Parameter, str], Parsed]
Decorator = Callable[[Callable[..., None]], Callable[..., None]]


class PlanError(ValueError):
    """Rows that were asked for and cannot be; the message says which and what would be right."""


def words(what: str, text: str, known: Sequence[str]) -> tuple[str, ...]:
    """A list such as `read,write`. PlanError names what is unknown."""
    found = tuple(word.strip() for word in text.split(",")) if text else ()
    for word in found:
        if word not in known:
            raise PlanError(f"{what}: {word!r} is unknown; there are {', '.join(known)}")
        if found.count(word) > 1:
            raise PlanError(f"{what}: {word!r} is given twice")
    return found


def parsed_by(parse: Callable[[str, str], Parsed]) -> Callback[Parsed]:
    """An option's callback from `parse`, which gets the option's name and its text; a PlanError of it is wrong usage."""

    def callback(_context: click.Context, parameter: click.Parameter, text: str) -> Parsed:
        try:
            return parse(parameter.opts[0], text)
        except PlanError as error:
            raise click.UsageError(str(error)) from None

    return callback


def list_option(name: str, known: Sequence[str], default: str = "") -> Decorator:
    """An option `--name` for some of the words that are `known`; without a default it is empty."""
    return click.option(
        f"--{name}",
        default=default,
        show_default=bool(default),
        callback=parsed_by(lambda what, text: words(what, text, known)),
        metavar="LIST",
        help=f"Some of {', '.join(known)}.",
    )
