"""What is not replayed: by kind, and as docs/differences.md says."""

import re
from pathlib import Path

import pytest

from hawser.dm import targets
from hawser.lab.conformance.judge import Judge, kind_of
from hawser.lab.conformance.kinds import KINDS
from hawser.lab.conformance.words import StepWords
from hawser.lab.linux.machine import Machine, Step
from hawser.multipath import target as multipath_target

TARGET_MODULES = (targets, multipath_target)
DOCUMENT = Path(__file__).parents[3] / "docs" / "differences.md"
MULTIPATH = "0 65536 multipath"
RAM = {
    "node": "/dev/ram0",
    "dev": "1:0",
    "sectors": 65536,
    "kind": "brd",
    "backing": {"memory": "own"},
    "queue": {"logical_block_size": 512, "max_sectors_kb": 127, "max_hw_sectors_kb": 127, "max_segments": 128},
}


def test_the_document_has_the_same_list() -> None:
    section = DOCUMENT.read_text().partition("## What is not replayed")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(.+?)` \| (.+) \| (.+) \|$", section, re.MULTILINE)
    assert rows == [(kind.name, kind.what, kind.reason) for kind in KINDS]


@pytest.mark.parametrize(
    ("cmd", "kind"),
    [
        (f"dmsetup create mp --table|{MULTIPATH} 0 0 1 1 historical-service-time 0 1 1 1:0 1", ""),
        (f"dmsetup load mp --table|{MULTIPATH} 0 0 1 1 io-affinity 0 1 1 1:0 1", ""),
        (f"dmsetup create mp --table|{MULTIPATH} 0 1 alua 1 1 round-robin 0 1 1 1:0 1", ""),
        (f"dmsetup create mp --table|{MULTIPATH} 2 queue_mode bio 1 alua 1 1 round-robin 0 1 1 1:0 1", ""),
        (f"dmsetup create mp --table|{MULTIPATH} 0 9 alua 1 1", ""),
        (f"dmsetup create mp --table|{MULTIPATH} 0 0 1 1 round-robin 0 1 1 1:0 1", ""),
        ("dmsetup create s --table|0 8 snapshot 1:0 1:1 P 8", "target"),
        ("dmsetup create s --table|0 8 nosuch 1:0", ""),
        ("dmsetup message mp 0 @stats_list", "statistics"),
        ("dmsetup stats list", "statistics"),
        ("dmsetup splitname vg-lv", ""),
        ("dmsetup splitname vg-lv -o nosuch", "dmsetup"),
        ("dmsetup measure mp", ""),
        ("dmsetup status -S name=mp", ""),
        ("dmsetup status -S nosuch=mp", "dmsetup"),
        ("dmsetup ls -S nosuch=mp", ""),
        ("dmsetup info -c -S help", "dmsetup"),
        ("dmsetup info -c -S name>1", "dmsetup"),
        ("dmsetup info -c -S name=", ""),
        ("dmsetup info -c -O -nosuch", "dmsetup"),
        ("dmsetup info -c -o +all,deps_all", ""),
        ("dmsetup info -c -o help", "dmsetup"),
        ("dmsetup info -c -o name,zzz", "dmsetup"),
        ("dmsetup info -c -o name,attr", ""),
        ("dmsetup ls --tree -o ascii", ""),
        ("sysfs set /sys/block/dm-0/queue/scheduler kyber", "scheduler"),
        ("sysfs set /sys/block/dm-0/queue/scheduler nosuch", ""),
        ("sysfs set /sys/block/sda/device/dh_state alua", ""),
        ("sysfs get /sys/class/scsi_host/host0/can_queue", "program"),
        ("ls /dev", "program"),
        ("ls /dev/mapper", ""),
        ("ls /sys/block/dm-0/slaves", ""),
        ("lsblk", "program"),
        ("note", "note"),
        ("bg w dmsetup stats list", "statistics"),
    ],
)
def test_kinds_by_words(cmd: str, kind: str) -> None:
    words, bar, table = cmd.partition("|")
    argv = words.split() + ([table] if bar else [])
    found = kind_of(StepWords(argv, "")) if argv[0] != "note" else KINDS[-1]
    assert (found.name if found is not None else "") == kind


class Session:
    """A machine of one ram disk, with a judge."""

    def __init__(self) -> None:
        self.machine = Machine({"devices": {"ram0": RAM}, "dm_major": 254})
        self.judge = Judge(self.machine)

    def step(self, line: str, table: str = "", rc: int = 0) -> str:
        """The kind that a step is skipped as, or its standard output."""
        argv = line.split() + (["--table", table] if table else [])
        verdict = self.judge.judge(argv, "")
        result = self.machine.run(Step(argv)) if verdict.runs else None
        if verdict.kind is not None:
            return verdict.kind.name
        assert result is not None
        assert result.rc == rc, result.stderr
        return result.stdout


def test_what_follows_a_table_that_was_skipped() -> None:
    session = Session()
    session.step("dmsetup create u0", "0 65536 linear 1:0 0")
    assert session.step("dmsetup create mp", "0 65536 snapshot-origin 254:0") == "target"
    assert session.step("dmsetup create u1", "0 65536 linear 1:0 0") == ""
    assert session.step("dmsetup status mp") == "follows"
    assert session.step("io read /dev/mapper/mp") == "follows"
    assert session.step("dmsetup ls") == "follows"
    assert session.step("iostat snap u0") == "follows"
    assert session.step("dmsetup table u1") == "0 65536 linear 1:0 0\n"
    assert session.step("sysfs get /sys/block/dm-2/dm/name") == "u1\n"
    assert session.step("dmsetup remove mp") == "follows"
    assert session.step("iostat snap u0") == ""
    assert session.step("dmsetup ls") == "u0\t(254:0)\nu1\t(254:2)\n"


def test_a_skipped_name_may_be_made_again() -> None:
    session = Session()
    assert session.step("dmsetup create mp", "0 65536 snapshot-origin 1:0") == "target"
    assert session.step("dmsetup create mp", "0 65536 linear 1:0 0") == ""
    assert session.step("dmsetup table mp") == "0 65536 linear 1:0 0\n"


def test_a_job_about_a_skipped_device_is_not_waited_for() -> None:
    session = Session()
    session.step("dmsetup create mp", "0 65536 snapshot-origin 1:0")
    assert session.step("bg w dmsetup wait mp") == "follows"
    assert session.step("wait w") == "follows"


def test_what_follows_an_elevator_that_was_not_set() -> None:
    session = Session()
    session.step("dmsetup create u0", "0 65536 linear 1:0 0")
    assert session.step("sysfs set /sys/block/dm-0/queue/scheduler kyber") == "scheduler"
    session.step("iostat snap u0 ram0")
    assert session.step("io read /dev/mapper/u0") == "ok=1\n"
    assert session.step("iostat delta u0 ram0") == "follows"
    assert session.step("iostat delta ram0").startswith("ram0: ")
    # The kernel has loaded it, and lists it for every disk from then on.
    assert session.step("sysfs get /sys/block/ram0/queue/scheduler") == "follows"
    assert session.step("sysfs set /sys/block/dm-0/queue/scheduler none", rc=1) == "ENOENT\n"
    assert session.step("iostat delta u0").startswith("u0: ")
