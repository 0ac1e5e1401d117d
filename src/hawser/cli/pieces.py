"""Verbs of a running server that are answered bit by bit."""

import sys
from collections.abc import Iterator
from typing import Final

import click
import msgspec

from hawser.cli.dm import nobody_at
from hawser.service.control import ask_for_pieces

# From one piece to the next. What they tell of (connecting, holding I/O back, comparing) has limits of its own.
PATIENCE_SECONDS: Final = 120.0


class RefusedError(Exception):
    """A server refuses what was asked for, or none answers; the text says why."""


def print_pieces(control: str, verb: str, args: list[str], command: str, map_name: str) -> None:
    """Ask of a map, and print each piece as it comes. What goes wrong is said in the name of `command`, and ends the program."""
    try:
        for text in pieces(control, verb, args, PATIENCE_SECONDS, map_name):
            click.echo(text, nl=False)
    except RefusedError as refusal:
        click.echo(f"{command}: {refusal}", err=True)
        sys.exit(1)


def pieces(control: str, verb: str, args: list[str], patience_s: float, map_name: str) -> Iterator[str]:
    """The text of each piece. RefusedError: the server says no, or there is none."""
    try:
        for reply in ask_for_pieces(control, verb, args, patience_s, map_name=map_name):
            yield reply.out
            if not reply.ok:
                raise RefusedError(reply.err)
    except (OSError, msgspec.MsgspecError) as error:
        raise RefusedError(nobody_at(control, error)) from None
