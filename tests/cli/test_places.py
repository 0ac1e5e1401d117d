"""Folders and files that cannot be written: one line says so, before any work is done; what is already there is not spoiled."""

import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from hawser.cli.lab_run import write_whole
from hawser.cli.main import main
from hawser.cli.places import PlaceError, check_file, make_folder, reason

ROOT = Path(__file__).parents[2]
INTO = [
    ["demo", "operator", "--rounds", "0", "--into"],
    ["demo", "kernel", "--into"],
    ["demo", "researcher", "--seeds", "1", "--into"],
    ["lab", "run", "random-io", "--into"],
    ["lab", "run", "random-io", "--page"],
    ["lab", "hazards", "--into"],
]


@pytest.mark.parametrize("words", INTO, ids=lambda words: " ".join(words[:3]))
@pytest.mark.parametrize("place", ["file/below", "/proc/nosuch"])
def test_a_place_that_cannot_be_written_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], place: str
):
    monkeypatch.setattr("hawser.cli.demo_operator.missing_packages", list)
    monkeypatch.chdir(ROOT)
    (tmp_path / "file").write_text("")
    wanted = str(tmp_path / place)
    done = CliRunner().invoke(main, [*words, wanted])
    why = "Not a directory" if place.startswith("file") else "No such file or directory"
    command = "lab run" if words[1] == "run" else " ".join(words[:2])
    shown = f"{wanted}/figures" if words[1] == "hazards" else wanted
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"hawser {command}: {shown}: {why}\n")


def test_a_folder_is_made_and_nothing_stays_in_it(tmp_path: Path):
    folder = make_folder(tmp_path / "a" / "b")
    assert make_folder(str(folder)) == folder and list(folder.iterdir()) == []
    assert check_file(folder / "new") == folder / "new" and list(folder.iterdir()) == []
    with pytest.raises(PlaceError, match=r"nosuch/file: No such file or directory$"):
        check_file(folder / "nosuch" / "file")
    with pytest.raises(PlaceError, match=r"b: Is a directory$"):
        check_file(folder)


def test_a_reason_names_the_file_and_no_number():
    error = OSError(28, "No space left on device")
    assert reason(error) == "No space left on device"
    assert reason(error, "io.json") == "io.json: No space left on device"
    assert reason(OSError(2, "No such file or directory", "x")) == "x: No such file or directory"
    assert reason(OSError("it fell silent")) == reason(ValueError("it fell silent")) == "it fell silent"


def test_a_pipe_is_written_and_not_replaced(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_whole(check_file(pipe), "all of it")
        assert os.read(reader, 100) == b"all of it"
    finally:
        os.close(reader)
    assert pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dm", "status"], "dmsetup: {}: no server answers there: {}"),
        (["paths"], "hawser paths: {}: no server answers there: {}"),
        (["paths", "--probe"], "hawser paths --probe: {}: no server answers there: {}"),
        (["stats", "--latency"], "hawser stats: {}: no server answers there: {}"),
        (["trace", "-o", "io.json"], "hawser trace: {}: no server answers there: {}"),
    ],
)
def test_nobody_at_the_control_socket(socket_dir: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str):
    monkeypatch.chdir(socket_dir)
    control = str(socket_dir / "ctl")
    done = CliRunner().invoke(main, words, env={"HAWSER_CONTROL": control})
    assert (done.exit_code, done.stderr) == (1, said.format(control, "No such file or directory") + "\n")
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(control)
    done = CliRunner().invoke(main, words, env={"HAWSER_CONTROL": control})
    assert (done.exit_code, done.stderr) == (1, said.format(control, "Connection refused") + "\n")
    assert [file.name for file in socket_dir.iterdir()] == ["ctl"], "nothing of a trace is left"
