"""`python -m bench`: the command line."""

from __future__ import annotations

import re
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import click

from bench.cases import ENGINE_GROUPS, GROUPS, MODES, BenchError, parse_size, parse_words
from bench.session import ROOT, Options, Session

ENGINE_IOS = 400_000
Callback = Callable[[click.Context, click.Parameter, str], object]


def checked(parse: Callable[[str], object]) -> Callback:
    """A click callback that reports a ValueError as bad usage of its option."""

    def callback(_context: click.Context, _parameter: click.Parameter, text: str) -> object:
        try:
            return parse(text)
        except (ValueError, re.error) as error:
            raise click.BadParameter(str(error)) from error

    return callback


def _program(text: str) -> tuple[str, ...]:
    """A command line; a program named by its place is found from any directory."""
    program, *rest = shlex.split(text)
    return (str(Path(program).absolute()) if "/" in program else program, *rest)


@click.command(context_settings={"max_content_width": 110})
@click.option("--rounds", type=click.IntRange(1), help="Measurements of each. [default: 5; quick: 2]")
@click.option("--seconds", type=click.FloatRange(0.1), help="Run time of each. [default: 1.5; quick: 0.4]")
@click.option(
    "--size",
    callback=checked(lambda text: parse_size(text) if text else None),
    help="Size of the image. [default: 512M; quick: 128M]",
)
@click.option(
    "--rows",
    default="",
    callback=checked(lambda text: re.compile(text).pattern),
    metavar="REGEX",
    help="Only rows whose key matches; a key is like file/randread-4k-qd32/c4.",
)
@click.option(
    "--groups",
    default=",".join(GROUPS),
    show_default=True,
    callback=checked(lambda text: parse_words(text, GROUPS)),
    help="Which comparisons.",
)
@click.option(
    "--modes",
    default=",".join(MODES),
    show_default=True,
    callback=checked(lambda text: parse_words(text, MODES)),
    help="Which of hawser's queue modes.",
)
@click.option("--quick", is_flag=True, help="Few, short rounds: to see that all works, not to believe it.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=ROOT / "bench" / "latest.json",
    help="Where all rounds go. [default: bench/latest.json]",
)
@click.option(
    "--against", metavar="REV", help="Race against that revision of ourselves, built here, not against peers."
)
@click.option(
    "--hawser",
    default=str(Path(sys.executable).parent / "hawser"),
    callback=checked(_program),
    help="The program to measure. [default: the one beside this Python]",
)
@click.option("--peers-only", is_flag=True, help="Leave hawser out: a base line of the peers.")
def main(
    rounds: int | None,
    seconds: float | None,
    size: int | None,
    rows: str,
    groups: tuple[str, ...],
    modes: tuple[str, ...],
    quick: bool,
    json_path: Path,
    against: str | None,
    hawser: tuple[str, ...],
    peers_only: bool,
) -> None:
    """Measure hawser beside nbdkit and qemu-nbd with fio, in interleaved rounds, and print the ratios.

    Ends with status 1 when something could not be measured. An interrupt prints what there is so far.
    """
    if against and peers_only:
        raise click.UsageError("--against and --peers-only exclude each other")
    options = Options(
        rounds=rounds or (2 if quick else 5),
        seconds=seconds or (0.4 if quick else 1.5),
        size_bytes=size or (128 << 20 if quick else 512 << 20),
        rows=rows,
        groups=tuple(group for group in groups if group not in ENGINE_GROUPS or not (peers_only or against)),
        modes=modes,
        engine_ios=ENGINE_IOS // 10 if quick else ENGINE_IOS,
        json_path=json_path,
        revision=against,
        hawser=hawser,
        peers_only=peers_only,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(Session(options).run())
    except BenchError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
