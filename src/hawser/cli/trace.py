"""`hawser trace`: follow every I/O of a running server for a while, into a file that Perfetto opens."""

import sys
from pathlib import Path
from typing import Final, NoReturn

import click

from hawser.cli.control_option import control_option, map_option, require_control
from hawser.cli.pieces import RefusedError, pieces
from hawser.cli.places import half_of, reason
from hawser.service.trace_file import not_followed
from hawser.service.tracing import FINISH_SECONDS, SECONDS_MAX

# Beside the time that was asked for, and that which I/Os may take to end: how long a piece may be on its way.
PATIENCE_SECONDS: Final = 30.0


@click.command()
@control_option
@map_option
@click.option("--seconds", type=click.FloatRange(0, SECONDS_MAX, min_open=True), default=1.0, show_default=True)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE", help="JSON."
)
def trace(control: str, map_name: str, seconds: float, output: Path) -> None:
    """Follow every I/O for some seconds: what merged, which path it took and why, what made it wait, how long it took.

    The file is trace-event JSON; open it in https://ui.perfetto.dev or chrome://tracing. While it is sent, clients have two
    thirds of the server's time.
    """
    require_control(control, "hawser trace")
    size = lost = 0
    part = half_of(output)
    try:
        with part.open("w") as file:
            patience_s = seconds + FINISH_SECONDS + PATIENCE_SECONDS
            for text in pieces(control, "trace", [repr(seconds)], patience_s, map_name):
                if not size:
                    lost = not_followed(text)
                size += file.write(text)
        if part != output:
            part.replace(output)
    except RefusedError as refusal:
        _give_up(part, output, str(refusal))
    except OSError as error:
        _give_up(part, output, reason(error, output))
    except KeyboardInterrupt:
        # The server sends what it has followed in the end only, and drops it when nobody waits.
        _forget(part, output)
        raise
    if lost:
        click.echo(f"hawser trace: there was no room for {lost:,} further I/Os: less time has room", err=True)
    click.echo(f"{output}: {seconds:g} s, {size:,} bytes; open it in https://ui.perfetto.dev")


def _give_up(part: Path, output: Path, text: str) -> NoReturn:
    """Nothing is kept of what is not whole."""
    _forget(part, output)
    click.echo(f"hawser trace: {text}", err=True)
    sys.exit(1)


def _forget(part: Path, output: Path) -> None:
    try:
        if part != output:
            part.unlink(missing_ok=True)
    except OSError:
        # Where it could not be made: the reason has been found already.
        pass
