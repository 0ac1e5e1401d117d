"""A device's queue attributes exist once its type is known, and are those of its type (S1-04). On the machine of a transcript."""

import json
from pathlib import Path

import pytest

from hawser.lab.linux.machine import Machine, Result, Step

TRANSCRIPT = Path(__file__).parents[1] / "conformance/transcripts/70-stacking.jsonl"
QUEUE = "/sys/block/dm-2/queue"
WORDS = "1 1 round-robin 0 2 1 8:0 1 8:16 1"
ABSENT = "<ENOENT>"
TABLES = {"rq": f"0 65536 multipath 0 0 {WORDS}", "bio": f"0 65536 multipath 2 queue_mode bio 0 {WORDS}"}


def machine() -> Machine:
    """Two disks of one host; dm-0 and dm-1 are there already."""
    header = json.loads(TRANSCRIPT.read_text().splitlines()[0])
    return Machine({key: value for key, value in header.items() if key != "scenario"})


def run(on: Machine, *words: str) -> Result:
    return on.run(Step(list(words)))


def attribute(on: Machine, name: str) -> str:
    """As `sysfs get` prints it; where there is no such file, `<ENOENT>`."""
    return run(on, "sysfs", "get", f"{QUEUE}/{name}").stdout.strip()


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_they_are_there_once_the_type_is_known(mode: str):
    world = machine()
    assert run(world, "dmsetup", "create", "--notable", "mp").rc == 0
    assert attribute(world, "nr_requests") == attribute(world, "scheduler") == attribute(world, "nomerges") == ABSENT
    assert run(world, "io", "read", "/dev/mapper/mp", "off=0", "bs=4k", "count=1").rc != 0
    assert run(world, "dmsetup", "load", "mp", "--table", TABLES[mode]).rc == 0
    # Loaded is enough: it need not be live.
    assert attribute(world, "nomerges") == "0"
    if mode == "bio":
        assert attribute(world, "scheduler") == attribute(world, "nr_requests") == ABSENT
    else:
        assert (attribute(world, "scheduler"), attribute(world, "nr_requests")) == ("none [mq-deadline]", "256")
    assert run(world, "dmsetup", "resume", "mp").rc == 0
    assert run(world, "io", "read", "/dev/mapper/mp", "off=0", "bs=4k", "count=1").rc == 0


def test_the_scheduler_of_a_request_based_device_can_be_chosen():
    world = machine()
    assert run(world, "dmsetup", "create", "mp", "--table", TABLES["rq"]).rc == 0
    assert run(world, "ls", f"{QUEUE}/iosched").stdout.split()[:2] == ["async_depth", "fifo_batch"]
    assert run(world, "sysfs", "set", f"{QUEUE}/scheduler", "none").rc == 0
    assert (attribute(world, "scheduler"), attribute(world, "nr_requests")) == ("[none] mq-deadline", "2048")
    assert run(world, "io", "read", "/dev/mapper/mp", "off=0", "bs=4k", "count=1").rc == 0
