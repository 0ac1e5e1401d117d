"""The simulated machine: disks of every kind from a header, programs, sysfs, time."""

from typing import Any

import pytest

from hawser.dm import targets
from hawser.lab.linux.facts import FactError
from hawser.lab.linux.machine import Machine, Result, Step
from hawser.multipath import target as multipath_target

TARGET_MODULES = (targets, multipath_target)

QUEUE: dict[str, Any] = {
    "logical_block_size": 512,
    "physical_block_size": 512,
    "max_sectors_kb": 1280,
    "max_hw_sectors_kb": 2147483647,
    "max_segments": 2048,
    "max_segment_size": 4294967295,
    "minimum_io_size": 512,
    "write_cache": "write back",
    "fua": 1,
    "scheduler": "none [mq-deadline]",
    "nr_requests": 256,
    "write_zeroes_max_bytes": 33553920,
}


def scsi(number: int, **effective: Any) -> dict[str, Any]:
    settings = {"delay": 0, "opts": "0x0", "max_queue": 192, "medium_error_start": 100, "medium_error_count": 5}
    return {
        "node": f"/dev/sd{'abcdef'[number]}",
        "dev": f"8:{16 * number}",
        "sectors": 65536,
        "kind": "scsi_debug",
        "backing": {"memory": "shared"},
        "params": {"effective": {**settings, **effective}},
        "scsi": {"queue_depth": 192, "dh_state": "detached", "state": "running"},
        "queue": QUEUE,
        "hw_queues": {"0": {"cpu_list": "0, 1", "nr_tags": 192, "nr_reserved_tags": 0}},
    }


RAM = {
    "node": "/dev/ram0",
    "dev": "1:0",
    "sectors": 65536,
    "kind": "brd",
    "backing": {"memory": "own"},
    "queue": {**QUEUE, "max_sectors_kb": 127, "max_hw_sectors_kb": 127, "write_cache": "write through", "iostats": 0},
}
LINEAR = {"node": "/dev/mapper/u0", "dev": "254:0", "sectors": 65536, "kind": "linear", "table": "0 65536 linear 1:0 0"}
LOOP = {
    "node": "/dev/loop0",
    "dev": "7:0",
    "sectors": 65536,
    "kind": "loop",
    "backing": {"device": "u0", "start": 0},
    "params": {"dio": 1},
    "queue": {**QUEUE, "scheduler": "[none] mq-deadline", "nr_requests": 128, "max_segments": 128},
}
NULL = {
    "node": "/dev/nullb0",
    "dev": "253:0",
    "sectors": 65536,
    "kind": "null_blk",
    "backing": {"memory": "own"},
    "params": {"memory_backed": 1, "irqmode": 0},
    "queue": QUEUE,
}
PARTITION = {
    "node": "/dev/sda1",
    "dev": "8:1",
    "sectors": 1000,
    "kind": "partition",
    "backing": {"device": "s0", "start": 64},
    "params": {"number": 1},
    "queue": QUEUE,
}
ALL = {
    "s0": scsi(0),
    "s1": scsi(1),
    "s0p1": PARTITION,
    "ram0": RAM,
    "u0": LINEAR,
    "l0": LOOP,
    "n0": NULL,
}


class Bench:
    def __init__(self, devices: dict[str, Any] = ALL) -> None:
        self.machine = Machine({"devices": devices, "dm_major": 254, "cpus": 2, "modules": ["loop"]})

    def run(self, *argv: str, timeout_s: float = -1) -> Result:
        return self.machine.run(Step(list(argv), "", timeout_s))

    def say(self, line: str) -> str:
        """Standard output of a step that succeeds."""
        result = self.run(*line.split())
        assert result.rc == 0, result
        return result.stdout

    def refused(self, line: str) -> str:
        result = self.run(*line.split())
        assert result.rc != 0
        return result.stdout + result.stderr

    def multipath(self, *paths: str, features: str = "0") -> None:
        words = " ".join(f"{path} 1" for path in paths)
        table = f"0 65536 multipath {features} 0 1 1 round-robin 0 {len(paths)} 1 {words}"
        assert self.run("dmsetup", "create", "mp", "--table", table).rc == 0


@pytest.mark.parametrize("node", ["sda", "sda1", "ram0", "mapper/u0", "loop0", "nullb0"])
def test_every_kind_of_disk_keeps_what_it_is_given(node: str) -> None:
    bench = Bench()
    assert bench.say(f"io write /dev/{node} count=40 batch=8 bs=4k order=rand") == "ok=40\n"
    assert bench.say(f"io read /dev/{node} count=40 batch=5 bs=4k verify=index") == "ok=40\n"
    assert bench.say(f"blk flush /dev/{node}") == "ok\n"
    assert bench.run("dd", "if=/dev/zero", f"of=/dev/{node}", "bs=4k", "count=1", "conv=fsync", "status=none").rc == 0
    assert bench.say(f"io read /dev/{node} verify=0") == "ok=1\n"


def test_a_partition_is_a_stretch_of_its_disk() -> None:
    bench = Bench()
    bench.say("io write /dev/sda1 bs=512 count=2 fill=9")
    assert bench.say("io read /dev/sda off=32k bs=512 count=2 verify=9") == "ok=2\n"
    assert bench.refused("io write /dev/sda1 off=512000 bs=512") == "ok=0 ENOSPC=1 first_error_index=0\n"
    assert bench.say("sysfs get /sys/class/block/sda1/start") == "64\n"


def test_scsi_disks_share_one_store_unless_they_are_told_otherwise() -> None:
    bench = Bench()
    bench.say("io write /dev/sda fill=5")
    assert bench.say("io read /dev/sdb verify=5") == "ok=1\n"
    apart = Bench({"s0": scsi(0, per_host_store=1), "s1": scsi(1, per_host_store=1)})
    apart.say("io write /dev/sda fill=5")
    assert apart.say("io read /dev/sdb verify=0") == "ok=1\n"


def test_a_bad_sector_fails_reads_that_touch_it() -> None:
    bench = Bench()
    bench.say("sysfs set /sys/bus/pseudo/drivers/scsi_debug/opts 2")
    assert bench.refused("io read /dev/sda off=48k bs=4k") == "ok=0 ENODATA=1 first_error_index=0\n"
    assert bench.say("io read /dev/sda off=56k bs=4k") == "ok=1\n"
    assert bench.say("io write /dev/sda off=48k bs=4k") == "ok=1\n"


def test_an_offline_disk_fails_its_path_and_a_deleted_one_is_gone() -> None:
    bench = Bench()
    bench.multipath("8:0", "8:16")
    bench.say("sysfs set /sys/block/sda/device/state offline")
    assert bench.refused("io read /dev/sda") == "open: ENXIO\n"
    assert bench.say("io read /dev/mapper/mp count=4") == "ok=4\n"
    assert "8:0 F 1 8:16 A 0" in bench.say("dmsetup status mp")
    bench.say("sysfs set /sys/block/sdb/device/delete 1")
    assert bench.refused("io read /dev/mapper/mp") == "ok=0 EIO=1 first_error_index=0\n"
    assert bench.refused("io read /dev/sdb") == "open: ENOENT\n"


def test_a_batch_is_one_plug_and_two_are_none() -> None:
    bench = Bench()
    for batch, expected in ((1, "rd_ios=16 rd_merges=0"), (2, "rd_ios=16 rd_merges=0"), (4, "rd_ios=4 rd_merges=12")):
        bench.say("iostat snap s0")
        bench.say(f"io read /dev/sda count=16 batch={batch}")
        assert f"s0: {expected} " in bench.say("iostat delta s0")


def test_counters_stand_still_while_iostats_is_off() -> None:
    bench = Bench()
    bench.say("iostat snap s0")
    bench.say("sysfs set /sys/block/sda/queue/iostats 0")
    bench.say("io read /dev/sda count=16")
    assert "rd_ios=0 " in bench.say("iostat delta s0")
    bench.say("sysfs set /sys/block/sda/queue/iostats 1")
    bench.say("io read /dev/sda count=3")
    assert "rd_ios=3 " in bench.say("iostat delta s0")


def test_buffered_writes_go_out_at_a_flush_or_the_last_close() -> None:
    bench = Bench()
    bench.run("bg", "h", "hold", "/dev/sda", "100")
    bench.say("iostat snap s0")
    bench.run("dd", "if=/dev/zero", "of=/dev/sda", "bs=64k", "count=2", "status=none")
    assert "wr_ios=0 " in bench.say("iostat delta s0")
    bench.say("blk flush /dev/sda")
    assert "wr_ios=2 wr_merges=31 wr_sectors=256" in bench.say("iostat delta s0")


def test_a_buffered_read_reads_ahead() -> None:
    bench = Bench()
    bench.say("iostat snap s0")
    bench.run("dd", "if=/dev/sda", "of=/dev/null", "bs=4k", "count=1", "status=none")
    assert "rd_sectors=32 " in bench.say("iostat delta s0")


def test_a_background_job_is_waited_for() -> None:
    bench = Bench()
    bench.run("bg", "s", "sleep", "2")
    assert bench.run("wait", "s", timeout_s=1).rc == "running"
    assert bench.run("wait", "s", timeout_s=2).rc == 0
    assert bench.run("wait", "s").rc == "ended"


def test_a_program_is_killed_when_its_time_is_up() -> None:
    bench = Bench()
    bench.multipath("8:0", features="1 queue_if_no_path")
    bench.say("dmsetup message mp 0 fail_path 8:0")
    result = bench.run("dmsetup", "wait", "mp", "1", timeout_s=1)
    assert (result.rc, result.stdout) == ("timeout", "")


def test_what_programs_say_of_files_that_are_not_there() -> None:
    bench = Bench()
    assert bench.refused("io read /dev/nosuch") == "open: ENOENT\n"
    assert bench.refused("ls /sys/block/nosuch") == "ls: /sys/block/nosuch: No such file or directory\n"
    assert bench.say("sysfs get /sys/block/sda/nosuch") == "<ENOENT>\n"
    assert (
        bench.refused("dd if=/dev/nosuch of=/dev/null")
        == "dd: failed to open '/dev/nosuch': No such file or directory\n"
    )
    assert bench.refused("blockdev --getsz /dev/nosuch") == (
        "blockdev: can't open '/dev/nosuch': No such file or directory\n"
    )
    assert (bench.run("nosuch").rc, bench.run("nosuch").stderr) == (127, "not found")


@pytest.mark.parametrize(
    ("set_to", "shown"),
    [("max_sectors_kb 64", "64"), ("max_sectors_kb 0", "1280"), ("nr_requests 2", "4"), ("read_ahead_kb 3", "0")],
)
def test_queue_attributes_can_be_set(set_to: str, shown: str) -> None:
    bench = Bench()
    name, value = set_to.split()
    bench.say(f"sysfs set /sys/block/sda/queue/{name} {value}")
    assert bench.say(f"sysfs get /sys/block/sda/queue/{name}") == f"{shown}\n"


@pytest.mark.parametrize(
    ("set_to", "errno"),
    [
        ("sda/queue/max_sectors_kb 2", "EINVAL"),
        ("sda/queue/max_segments 5", "EACCES"),
        ("sda/queue/nosuch 1", "ENOENT"),
        ("sda/queue 1", "EISDIR"),
        ("sda/device/state blocked", "EINVAL"),
        ("sda/device/queue_depth 1000", "EINVAL"),
        ("ram0/queue/scheduler none", "ENOENT"),
    ],
)
def test_what_cannot_be_set(set_to: str, errno: str) -> None:
    assert Bench().refused(f"sysfs set /sys/block/{set_to}") == f"{errno}\n"


def test_a_header_that_cannot_be_built_says_why() -> None:
    with pytest.raises(FactError, match="tape"):
        Bench({"t": {"kind": "tape", "node": "/dev/st0", "dev": "9:0"}})
    with pytest.raises(FactError, match="nothing before"):
        Bench({"l0": LOOP})
