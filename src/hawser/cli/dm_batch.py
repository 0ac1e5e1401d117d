"""`hawser dm --batch`: read the file, run its commands one after the other, print what they print.

What is wrong is printed as `FILE:LINE: text`. Exit status: 0, that of the first command that failed, or 2 when the file cannot be
used.
"""

import shlex
import sys
from collections.abc import Callable
from typing import Final

import click

from hawser.dm.parameters import ParameterError
from hawser.lab.batch import Batch, Outcome
from hawser.lab.batch_disks import DiskError
from hawser.lab.batch_text import BatchTextError, Command, parse_batch

UNUSABLE: Final = 2
STDIN: Final = "-"


def run_batch(
    path: str,
    disks: list[str],
    parameters: list[str],
    read_file: Callable[[str], str | None],
    keep_going: bool,
    echo: bool,
    log: bool,
) -> int:
    """The exit status. `disks` are declared before the file's; `parameters` are the machine's, as `NAME=VALUE`."""
    name = "stdin" if path == STDIN else path
    text = sys.stdin.read() if path == STDIN else read_file(path)
    if text is None:
        click.echo(f"hawser dm --batch: {path}: cannot be read", err=True)
        return UNUSABLE
    try:
        batch = Batch(read_file, parameters)
    except ParameterError as refusal:
        click.echo(f"hawser dm --parameter: {refusal}", err=True)
        return UNUSABLE
    try:
        commands = parse_batch(text)
        for disk in disks:
            batch.add_disk(shlex.split(disk))
    except BatchTextError as error:
        click.echo(f"{name}:{error.line}: {error}", err=True)
        return UNUSABLE
    except (DiskError, ValueError) as error_found:
        click.echo(f"hawser dm --disk: {error_found}", err=True)
        return UNUSABLE
    rc = 0
    for command in commands:
        if echo:
            click.echo(f"# {shlex.join(command.words)}")
        outcome = batch.run(command)
        _show(name, command, outcome, log or outcome.rc != 0)
        if outcome.rc and not command.keeps_on:
            rc = rc or outcome.rc
            if not keep_going:
                break
    return rc


def _show(name: str, command: Command, outcome: Outcome, with_log: bool) -> None:
    """What a command has printed. Of one that has failed also what a kernel would have logged, as that says why; and of one that
    was not to fail and does not complain, what it has printed is the complaint."""
    complaint = outcome.stderr
    if outcome.rc and not command.keeps_on and not complaint:
        complaint = outcome.stdout
    else:
        click.echo(outcome.stdout, nl=False)
    lines = complaint.splitlines() + (outcome.log if with_log else [])
    if outcome.rc and not lines:
        lines = [f"exit status {outcome.rc}"]
    for line in lines:
        click.echo(f"{name}:{command.line}: {line}", err=True)
