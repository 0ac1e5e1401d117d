"""tools.kernel_record: what it has a guest do, and what it makes of the answer. A stand-in for the guest; no kernel here."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tools import kernel_record
from tools.kernel_record import RecordError, scenario, steady

SCRIPT = """# A title.
disk ram0 ram size=32M
dmsetup create a <<END
0 8 zero
END
bg one sleep 1
- ls
join one
"""


class Session:
    """As the guest's."""

    def __init__(self) -> None:
        self.done: list[Any] = []

    def brd(self, count: int, mib: int) -> None:
        self.done.append(("brd", count, mib))

    def q(self, *words: str) -> None:
        self.done.append(("quietly", *words[:2]))

    def run(self, *words: str, stdin: str | None = None) -> None:
        self.done.append((*words, stdin))

    def bg(self, *words: str) -> None:
        self.done.append(("bg", *words))

    def wait(self, name: str, seconds: float) -> None:
        self.done.append(("wait", name, seconds))


def test_a_script_is_a_scenario_of_the_guest():
    found: dict[str, Any] = {}
    exec(scenario(SCRIPT), found)
    session = Session()
    found["go"](session)
    assert found["TITLE"] == "A title."
    assert session.done == [
        ("quietly", "sysfs", "set"),
        ("brd", 1, 32),
        ("dmsetup", "create", "a", "0 8 zero\n"),
        ("bg", "one", "sleep", "1"),
        ("ls", None),
        ("wait", "one", 60),
    ]


def test_other_disks_than_the_guest_has_are_refused():
    for line in ("disk sda scsi size=32M", "disk ram1 ram size=32M", "disk ram0 ram"):
        with pytest.raises((RecordError, ValueError)):
            scenario(f"# Title.\n{line}\nls\n")


def oracle(folder: Path, answer: str) -> Path:
    """A stand-in for oracle.sh: it answers with a line that says `answer`, once expanded by the shell."""
    line = json.dumps({"cmd": ["ls"], "stdout": "ANSWER"}).replace("ANSWER", f"'{answer}'")
    program = folder / "oracle.sh"
    program.write_text(
        f'#!/bin/sh\nmkdir -p "$2"\necho \'{{"devices": {{}}}}\' >"$2/script.jsonl"\necho \'{line}\' >>"$2/script.jsonl"\n'
    )
    program.chmod(0o755)
    return folder


def test_what_is_not_the_same_each_time_is_an_error(tmp_path: Path):
    assert len(steady(SCRIPT, oracle(tmp_path, "same"), 2)) == 2
    with pytest.raises(RecordError, match="step 1 is not the same each time"):
        steady(SCRIPT, oracle(tmp_path, "$$"), 2)


def test_it_keeps_what_was_said_and_notices_what_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "x.dm").write_text(SCRIPT)
    monkeypatch.setattr(kernel_record, "FOLDER", kept)
    monkeypatch.setenv("ORACLE", str(oracle(tmp_path, "first")))
    monkeypatch.setenv("ORACLE_BUILD", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["kernel_record"])
    assert kernel_record.main() == 0
    assert "first" in (kept / "x.jsonl").read_text()
    monkeypatch.setattr(sys, "argv", ["kernel_record", "--check"])
    assert kernel_record.main() == 0
    oracle(tmp_path, "second")
    assert kernel_record.main() == 1
    assert "first" in (kept / "x.jsonl").read_text()
    monkeypatch.delenv("ORACLE")
    assert kernel_record.main() == 2
