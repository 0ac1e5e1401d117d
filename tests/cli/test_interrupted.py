"""Ctrl-C: every command ends in one way, `interrupted` and 130, unless it has more to say."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.support.fleet import Fleet
from tests.support.gateway import HAWSER
from tests.support.processes import Process

from hawser.cli import main as program
from hawser.cli.exit_status import INTERRUPTED


@pytest.mark.parametrize("words", [["demo", "kernel"], ["demo", "researcher"], ["stats", "--control", "nowhere"]])
def test_a_command(monkeypatch: pytest.MonkeyPatch, words: list[str]):
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    command: click.Command = program.main
    for word in words[:2]:
        if isinstance(command, click.Group):
            command = command.commands[word]
    monkeypatch.setattr(command, "callback", interrupt)
    done = CliRunner().invoke(program.main, words)
    assert (done.exit_code, done.stdout, done.stderr) == (INTERRUPTED, "", "\ninterrupted\n")


@pytest.mark.interop
def test_a_trace_leaves_no_part_of_a_file(fleet: Fleet):
    gateway = fleet.serve(["ram:?size=1M"])
    file = fleet.directory / "io.json"
    # In the background of a shell SIGINT is ignored, which a program inherits.
    hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [HAWSER[0], "-c", hears + HAWSER[2]]
    command += ["trace", "--control", str(gateway.control), "--seconds", "30", "-o", str(file)]

    def parts() -> list[Path]:
        return list(fleet.directory.glob("*io.json*"))

    tracing = Process("tracing", command, fleet.directory)
    try:
        tracing.wait_until(parts, "it has begun")
        tracing.signal(2)
        assert tracing.wait() == INTERRUPTED
    finally:
        tracing.kill()
    assert tracing.log() == "\ninterrupted\n"
    assert parts() == []
