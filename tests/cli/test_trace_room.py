"""`hawser trace` says what it had no room for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hawser.block.recorder import Recorder
from hawser.cli import trace as command
from hawser.core.clock import Clock
from hawser.service.trace_file import chunks


@pytest.mark.parametrize("lost", [0, 11437])
def test_what_there_was_no_room_for_is_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lost: int):
    recorder = Recorder(Clock(0), None)
    recorder.passed_over = lost

    def answer(*args: object) -> Iterator[str]:
        yield from chunks(recorder, 0, "hawser mpatha", {"seconds": 1.0})

    monkeypatch.setattr(command, "pieces", answer)
    file = tmp_path / "io.json"
    done = CliRunner().invoke(command.trace, ["--control", "/x", "-o", str(file)])
    assert done.exit_code == 0, done.output
    assert ("there was no room for 11,437 further I/Os" in done.output) == (lost > 0)
    assert f'"ios_not_followed_for_want_of_room":{lost}' in file.read_text()
