"""`hawser dm`: dmsetup, of a running server."""

import sys
from typing import Final, NoReturn

import click

from hawser.cli.control_option import control_option, require_control
from hawser.service.control import Reply, ask

# Verbs that read a table from standard input when none is on the command line.
READERS: Final = ("create", "load", "reload")


def ask_or_leave(control: str, verb: str, args: list[str], stdin: str = "", patience_s: float | None = None) -> Reply:
    """Ask; end with a message when nobody answers. Without `patience_s` it may take as long as it takes."""
    try:
        return ask(control, verb, args, stdin, patience_s)
    except (OSError, ValueError) as error:
        _fail(f"hawser: {control}: no server answers there: {error}")


def print_reply(control: str, verb: str, args: list[str], stdin: str = "", patience_s: float | None = None) -> None:
    """Ask, and print what is said."""
    reply = ask_or_leave(control, verb, args, stdin, patience_s)
    click.echo(reply.out, nl=False)
    if not reply.ok:
        _fail(reply.err)
    click.echo(reply.err, err=True, nl=False)


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(1)


def _table_from_stdin(verb: str, args: list[str]) -> str:
    brings_table = any(word.startswith(("--table", "-n", "--notable", "--concise")) for word in args)
    if verb not in READERS or brings_table or sys.stdin.isatty():
        return ""
    return sys.stdin.read()


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@control_option
@click.argument("verb")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def dm(control: str, verb: str, args: tuple[str, ...]) -> None:
    """dmsetup, on a running server's devices: its verbs, its options, what it prints.

    ls, table, status, info, deps, targets, version; create, load, suspend, resume, clear, rename, remove, message, wait, ...

        hawser dm status

        hawser dm ls --tree

        hawser dm message mpatha 0 fail_path 259:0
    """
    require_control(control, "hawser dm")
    words = list(args)
    print_reply(control, verb, words, _table_from_stdin(verb, words))
