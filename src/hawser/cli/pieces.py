"""Verbs of a running server that are answered bit by bit."""

import sys
from typing import Final

import click

from hawser.service.control import ask_for_pieces

# From one piece to the next. What they tell of (connecting, holding I/O back, comparing) has limits of its own.
PATIENCE_SECONDS: Final = 120.0


def print_pieces(control: str, verb: str, args: list[str], command: str, map_name: str) -> None:
    """Ask of a map, and print each piece as it comes. What goes wrong is said in the name of `command`, and ends the program."""
    try:
        for reply in ask_for_pieces(control, verb, args, PATIENCE_SECONDS, map_name=map_name):
            click.echo(reply.out, nl=False)
            if not reply.ok:
                raise ValueError(reply.err)
    except (OSError, ValueError) as error:
        click.echo(f"{command}: {error}", err=True)
        sys.exit(1)
