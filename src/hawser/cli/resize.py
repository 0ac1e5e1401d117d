"""`hawser resize`: serve a disk that has grown in its new size."""

import sys
from typing import Final

import click

from hawser.cli.control_option import control_option, require_control
from hawser.service.control import ask_for_pieces

# A piece for each path at least; each has its own limits (hawser.service.resize).
PATIENCE_SECONDS: Final = 120.0


@click.command()
@control_option
def resize(control: str) -> None:
    """Serve a disk that has grown by every path in its new size, which is the smallest of all paths.

    Clients that are connected keep the size that they were told; new connections are told the new one.
    """
    require_control(control, "hawser resize")
    print_pieces(control, "resize", "hawser resize")


def print_pieces(control: str, verb: str, command: str) -> None:
    """Ask for what is answered bit by bit, and print it as it comes. What goes wrong ends the program."""
    try:
        for reply in ask_for_pieces(control, verb, [], PATIENCE_SECONDS):
            click.echo(reply.out, nl=False)
            if not reply.ok:
                raise ValueError(reply.err)
    except (OSError, ValueError) as error:
        click.echo(f"{command}: {error}", err=True)
        sys.exit(1)
