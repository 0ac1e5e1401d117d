"""Runs the scripts of src/hawser/lab/recorded on a real kernel, and keeps what it prints.

    ORACLE=DIR ORACLE_BUILD=DIR python -m tools.kernel_record [NAME...] [--times N] [--check]

ORACLE holds `oracle.sh`, which boots a guest with a scenario and brings its transcript back (the format is that of
tests/conformance); ORACLE_BUILD is what it boots. With `--times` a script is run so often, and what was not the same each time is
an error. With `--check` nothing is written: the status is 1 if the kernel says anything else than was kept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hawser.core.units import MIB, parse_size
from hawser.lab.batch_text import Command, parse_batch

FOLDER = Path(__file__).resolve().parent.parent / "src" / "hawser" / "lab" / "recorded"
LIMIT_S = 900
JOIN_S = 60
# Runs in the guest. Ram disks are all that the scripts stand on. With large pages a buffer of many megabytes is there at once, as
# emulated page faults are slow.
SCENARIO = """TITLE = {title!r}
import json
STEPS = json.loads({steps!r})
def go(s):
    s.q("sysfs", "set", "/sys/kernel/mm/transparent_hugepage/shmem_enabled", "force")
    s.brd({disks}, {mib})
    for step in STEPS:
        words = step["words"]
        if words[0] == "bg": s.bg(words[1], *words[2:])
        elif words[0] == "join": s.wait(words[1], float(words[2]) if len(words) > 2 else {join_s})
        else: s.run(*words, stdin=step["stdin"] or None)
"""


class RecordError(Exception):
    """What cannot be recorded, or was not."""


def scenario(text: str) -> str:
    """The guest's side of a script. RecordError when it has disks that the guest has not."""
    commands = parse_batch(text)
    disks = [command.words for command in commands if command.words[0] == "disk"]
    sizes = [_ram_mib(words, number) for number, words in enumerate(disks)]
    if len(set(sizes)) != 1:
        raise RecordError("want disks of one size")
    steps = [_step(command) for command in commands if command.words[0] != "disk"]
    title = text.splitlines()[0].removeprefix("#").strip()
    return SCENARIO.format(title=title, steps=json.dumps(steps), disks=len(disks), mib=sizes[0], join_s=JOIN_S)


def _ram_mib(words: list[str], number: int) -> int:
    name, kind, size = words[1:4]
    if (name, kind) != (f"ram{number}", "ram") or not size.startswith("size="):
        raise RecordError(f"{' '.join(words)}: want `disk ram{number} ram size=SIZE`")
    return parse_size(size.removeprefix("size=")) // MIB


def _step(command: Command) -> dict[str, Any]:
    return {"words": command.words, "stdin": command.stdin}


def record(oracle: Path, text: str) -> list[str]:
    """The lines of a transcript."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "script.py").write_text(scenario(text))
        done = subprocess.run(
            [str(oracle / "oracle.sh"), str(work / "script.py"), str(work / "out"), str(LIMIT_S)],
            capture_output=True,
            text=True,
            check=False,
        )
        print(done.stdout.strip(), flush=True)
        found = work / "out" / "script.jsonl"
        if done.returncode or not found.exists():
            raise RecordError(f"the guest has failed: {done.stdout}{done.stderr}")
        return found.read_text().splitlines()


def steady(text: str, oracle: Path, times: int) -> list[str]:
    """A transcript that came out the same each time."""
    first = record(oracle, text)
    for _ in range(times - 1):
        for number, (one, other) in enumerate(zip(first, record(oracle, text), strict=True)):
            if number and one != other:
                raise RecordError(f"step {number} is not the same each time:\n{one}\n{other}")
    return first


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.kernel_record", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="scripts, without .dm; all when there is none")
    parser.add_argument("--times", type=int, default=1, help="run each so often")
    parser.add_argument("--check", action="store_true", help="compare with what was kept, and write nothing")
    wish = parser.parse_args()
    oracle = os.environ.get("ORACLE")
    if not oracle or not os.environ.get("ORACLE_BUILD"):
        print("set ORACLE and ORACLE_BUILD to the kernel oracle's directory and to what it boots", file=sys.stderr)
        return 2
    status = 0
    for name in wish.names or sorted(path.stem for path in FOLDER.glob("*.dm")):
        target = FOLDER / f"{name}.jsonl"
        try:
            lines = steady((FOLDER / f"{name}.dm").read_text(), Path(oracle), wish.times)
        except RecordError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        if not wish.check:
            target.write_text("\n".join(lines) + "\n")
        elif lines[1:] != target.read_text().splitlines()[1:]:
            print(f"{name}: the kernel says something else than was kept", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
