"""`hawser dm`: dmsetup, of a running server or (`--batch`) of a machine of its own in virtual time; `dmsetup` by its own name."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final, NoReturn

import click

from hawser.cli.control_option import control_option, require_control
from hawser.cli.dm_batch import run_batch
from hawser.cli.places import reason
from hawser.dm.dmsetup.arguments import Arguments, UsageError, parse_arguments
from hawser.service.control import DMSETUP, Reply, ask

PROGRAM: Final = "dmsetup"
# Verbs that read a table from a file, whose name is the last of so many words, or else from standard input.
TABLE_WORDS: Final = {"create": 3, "load": 3, "reload": 3}
# Verbs that read an answer from it.
ASKERS: Final = ("udevcomplete_all",)


def ask_or_leave(command: str, control: str, verb: str, args: list[str], map_name: str = "") -> Reply:
    """Ask, of a map or of all; end with a message of `command` when nobody answers. It may take as long as it takes."""
    try:
        return ask(control, verb, args, patience_s=None, map_name=map_name)
    except (OSError, ValueError) as error:
        fail(f"{command}: {nobody_at(control, error)}")


def nobody_at(control: str, error: Exception) -> str:
    """What to say when a socket is not there, is not a server's, or falls silent."""
    return f"{control}: no server answers there: {reason(error)}"


def print_reply(command: str, control: str, verb: str, args: list[str], map_name: str = "") -> None:
    """Ask, and print what is said; what is refused, in the name of `command`."""
    reply = ask_or_leave(command, control, verb, args, map_name)
    click.echo(reply.out, nl=False)
    if not reply.ok:
        fail(f"{command}: {reply.err}")
    click.echo(reply.err, err=True, nl=False)


def fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    sys.exit(1)


def run_dmsetup(control: str, argv: list[str]) -> None:
    """Have a server run dmsetup with these arguments, print what it says, and leave with an error if it has failed."""
    try:
        arguments = parse_arguments(argv)
    except UsageError:
        # The server says what is wrong.
        arguments = Arguments()
    files, stdin = _tables(arguments)
    try:
        reply = ask(control, DMSETUP, argv, stdin, None, files)
    except (OSError, ValueError) as error:
        fail(f"{PROGRAM}: {nobody_at(control, error)}")
    _execute(arguments, reply.nodes)
    click.echo(reply.out, nl=False)
    if not reply.ok:
        fail(reply.err.removesuffix("\n"))
    click.echo(reply.err, err=True, nl=False)


def _tables(arguments: Arguments) -> tuple[dict[str, str], str]:
    """The text of the file that a verb would read, by its name, and of standard input if it would read that."""
    words = arguments.words
    verb = words[0] if words else ""
    if verb in ASKERS and not arguments.has("yes"):
        return {}, _stdin()
    if verb not in TABLE_WORDS or arguments.has("table") or arguments.has("notable"):
        return {}, ""
    if arguments.has("concise"):
        return {}, "" if len(words) > 1 else _stdin()
    by_option = verb != "create" and (arguments.has("uuid") or arguments.has("major"))
    place = TABLE_WORDS[verb] - (2 if by_option else 1)
    if len(words) <= place:
        return {}, _stdin()
    text = read_table(words[place])
    return ({words[place]: text} if text is not None else {}), ""


def read_table(path: str) -> str | None:
    """The text of a file; None when it cannot be read."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return None


def _stdin() -> str:
    return "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()


def _execute(arguments: Arguments, nodes: list[str]) -> None:
    """Run what `--exec` asks for, here, once for each node."""
    words = arguments.value("exec").split()
    for node in nodes if words else []:
        try:
            subprocess.run([*words, node], check=False)
        except OSError:
            # As dmsetup has it: nobody hears of it.
            continue


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@control_option
@click.option("--batch", default="", metavar="FILE", help="Run FILE (-: standard input) without a server.")
@click.option("--disk", "disks", multiple=True, metavar="'NAME KIND...'", help="Of a batch: a disk; repeat it.")
@click.option(
    "--parameter",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="Of a batch: one of its machine, such as dm_multipath.semantics=6.16 (see hawser parameters); repeat it.",
)
@click.option("--keep-going", is_flag=True, help="Of a batch: go on when a command has failed.")
@click.option("--echo", is_flag=True, help="Of a batch: print each command before what it prints.")
@click.option("--log", is_flag=True, help="Of a batch: print what a kernel would log, too.")
@click.argument("args", nargs=-1, type=click.UNPROCESSED, metavar="VERB [ARGS]...")
def dm(
    control: str,
    batch: str,
    disks: tuple[str, ...],
    parameters: tuple[str, ...],
    keep_going: bool,
    echo: bool,
    log: bool,
    args: tuple[str, ...],
) -> None:
    """dmsetup, on a running server's devices: its verbs, its options, what it prints.

    A program that is linked to this one under the name dmsetup does the same.

    \b
        hawser dm status
        hawser dm ls --tree
        hawser dm message mpatha 0 fail_path 259:0
        hawser dm info -c -o name,events -S 'open>0'

    With --batch FILE, commands run on a machine of their own, in virtual time; the file declares its disks:

    \b
        disk sda scsi size=64M
        disk sdb scsi size=64M
        create mp --table '0 131072 multipath 0 0 1 1 round-robin 0 2 0 8:0 8:16'
        message mp 0 fail_path 8:0
        status
    """
    if batch:
        if args:
            fail(f"hawser dm --batch {batch}: the commands are in the file; {' '.join(args)!r} is one too many")
        sys.exit(run_batch(batch, list(disks), list(parameters), read_table, keep_going, echo, log))
    if disks or parameters or keep_going or echo or log:
        fail("hawser dm: --disk, --parameter, --keep-going, --echo and --log belong to --batch")
    require_control(control, "hawser dm")
    run_dmsetup(control, list(args))


def dmsetup() -> None:
    """The program under the name of dmsetup: all of its arguments are dmsetup's."""
    control = os.environ.get("HAWSER_CONTROL", "")
    if not control:
        fail(f"{PROGRAM}: name the server's control socket with HAWSER_CONTROL")
    run_dmsetup(control, sys.argv[1:])
