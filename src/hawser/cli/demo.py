"""`hawser demo`: a disk with four paths that fail one after another, and all together, under verified I/O; the line holds.

Other demonstrations are subcommands; what they need is imported when they run.
"""

import asyncio
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource
from rich.console import Console

from hawser.cli.demo_text import PlainAudience, summary_lines
from hawser.cli.demo_view import HEIGHT_MIN, WIDTH_MIN, LiveAudience
from hawser.cli.exit_status import INTERRUPTED
from hawser.cli.places import PlaceError, make_folder, reason
from hawser.service.demo import Demo
from hawser.service.demo_rig import MAP, SIZE, Rig
from hawser.service.demo_story import tell
from hawser.service.demo_summary import Summary
from hawser.service.hangup import end_signals
from hawser.service.loop import run_in_own_loop
from hawser.service.start_error import StartError

USAGE: Final = 2


@click.group(invoke_without_command=True)
@click.option("--seconds", type=click.FloatRange(1, 86400), default=20, show_default=True, help="How long it takes.")
@click.option("--stay", is_flag=True, help="Keep the server running afterwards, to try things on, until Ctrl-C.")
@click.pass_context
def demo(ctx: click.Context, seconds: float, stay: bool) -> None:
    """Show it: verified I/O through NBD while paths are pulled, failed and restored.

    Needs nothing but itself. The status is 0 if there were no errors and no corrupt blocks, and every failure took place; 130 if
    all that is so as far as it came before it was interrupted.
    Other demonstrations are commands of their own.
    """
    if ctx.invoked_subcommand is None:
        try:
            status = run_in_own_loop(_demo(seconds, stay))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        sys.exit(status)
    for name in ("seconds", "stay"):
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--{name} is of `hawser demo` alone, not of `hawser demo {ctx.invoked_subcommand}`")


@demo.command()
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep there what both have said: linux.txt and hawser.txt.",
)
def kernel(into: Path | None) -> None:
    """For a kernel developer: one script on Linux and on hawser, empty diff; a sign that flips, found by seed.

    Linux's side was recorded. The status is 0 if both have said the same, and hawser has no flip where Linux's has.
    """
    from hawser.cli.demo_kernel import run_kernel_demo

    try:
        if into is not None:
            make_folder(into)
        sys.exit(run_kernel_demo(click.echo, into))
    except PlaceError as error:
        click.echo(f"hawser demo kernel: {error}", err=True)
    except OSError as error:
        click.echo(f"hawser demo kernel: {reason(error)}", err=True)
    sys.exit(USAGE)


async def _demo(seconds: float, stay: bool) -> int:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    rig = Rig()
    try:
        try:
            await rig.start()
        except (StartError, OSError) as error:
            click.echo(f"hawser demo: {reason(error)}", err=True)
            return 1
        summary = await _perform(rig, seconds, stop)
        if stay and not stop.is_set():
            click.echo(_invitation(rig))
            await stop.wait()
        if not summary.is_good():
            return 1
        return INTERRUPTED if summary.cut_short else 0
    finally:
        await rig.stop()


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first signal ends it in order, another one at once."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def interrupt() -> None:
        if stop.is_set():
            task.cancel()
        stop.set()

    for number in end_signals():
        loop.add_signal_handler(number, interrupt)


async def _perform(rig: Rig, seconds: float, stop: asyncio.Event) -> Summary:
    console = Console(highlight=False)
    if not _can_draw(console):
        summary = await Demo(rig, seconds, tell(seconds), PlainAudience(click.echo)).run(stop)
        _print_summary(summary)
        return summary
    live = LiveAudience(console)
    shown = False
    try:
        summary = await Demo(rig, seconds, tell(seconds), live).run(stop)
    finally:
        shown = live.close()
    if not shown:
        _print_summary(summary)
    return summary


def _can_draw(console: Console) -> bool:
    return (
        console.is_terminal
        and not console.is_dumb_terminal
        and console.encoding.startswith("utf")
        and console.width >= WIDTH_MIN
        and console.height >= HEIGHT_MIN
    )


def _print_summary(summary: Summary) -> None:
    click.echo("")
    for line in summary_lines(summary):
        click.echo(line)


def _invitation(rig: Rig) -> str:
    """What may be tried while the server stays."""
    hawser = _own_name()
    control = shlex.quote(rig.control_socket)
    uri = shlex.quote(rig.uri)
    device = rig.devts()[0]
    return f"""
The server stays until Ctrl-C.
  URI      {rig.uri}
  control  {rig.control_socket}

Try
  {hawser} dm --control {control} status
  {hawser} dm --control {control} message {MAP} 0 fail_path {device}
  {hawser} dm --control {control} message {MAP} 0 reinstate_path {device}
  nbdinfo {uri}
  fio --name=demo --ioengine=nbd --uri={uri} --rw=randrw --bs=4k --iodepth=16 \\
      --size={SIZE} --time_based --runtime=10
"""


def _own_name() -> str:
    """How this program is called here: by its name, if the shell finds it."""
    program = sys.argv[0]
    if os.path.basename(program) != "hawser":
        return "hawser"
    found = shutil.which("hawser")
    return "hawser" if found and os.path.samefile(found, program) else shlex.quote(program)
