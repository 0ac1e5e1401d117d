"""`hawser dm`: what dmsetup prints, of a running server."""

import sys
from typing import NoReturn

import click

from hawser.cli.control_option import control_option, require_control
from hawser.service.control import ask


def print_reply(control: str, verb: str, args: list[str]) -> None:
    """Ask, and print what is said."""
    try:
        reply = ask(control, verb, args)
    except (OSError, ValueError) as error:
        _fail(f"hawser: {control}: no server answers there: {error}")
    if not reply.ok:
        _fail(reply.err)
    click.echo(reply.out, nl=False)


def _print(control: str, verb: str, args: list[str]) -> None:
    require_control(control, "hawser dm")
    print_reply(control, verb, args)


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(1)


@click.group()
@control_option
@click.pass_context
def dm(context: click.Context, control: str) -> None:
    """The verbs of dmsetup, on a running server's devices."""
    context.obj = control


@dm.command()
@click.pass_obj
def ls(control: str) -> None:
    """List the devices."""
    _print(control, "ls", [])


@dm.command()
@click.argument("name", required=False)
@click.pass_obj
def table(control: str, name: str | None) -> None:
    """Print the live table in canonical form."""
    _print(control, "table", [name] if name is not None else [])


@dm.command()
@click.argument("name", required=False)
@click.pass_obj
def status(control: str, name: str | None) -> None:
    """Print the status line: groups, paths, A or F, fail counts."""
    _print(control, "status", [name] if name is not None else [])


@dm.command()
@click.argument("name", required=False)
@click.pass_obj
def info(control: str, name: str | None) -> None:
    """Print name, state, open count, event number."""
    _print(control, "info", [name] if name is not None else [])


@dm.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("sector")
@click.argument("words", nargs=-1)
@click.pass_obj
def message(control: str, name: str, sector: str, words: tuple[str, ...]) -> None:
    """Send a message to the target at SECTOR: fail_path, reinstate_path, switch_group, ..."""
    _print(control, "message", [name, sector, *words])
