"""The grammar of a multipath table: what the kernel takes and prints, and its words of refusal (transcripts 01 to 11)."""

import pytest

from hawser.core.units import MIB
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.target import TableError
from hawser.lab.world import Store, World

SECTORS = 65536
# Stands for the beginning that most of the tables share.
SHORT = ("@", "multipath 2 queue_mode bio 0 1 1")

REFUSED = [
    ("multipath", "invalid number of feature args"),
    ("multipath 0", "invalid number of hardware handler args"),
    ("multipath 0 0", "invalid number of priority groups"),
    ("multipath 0 0 1", "invalid initial priority group number"),
    ("multipath 2 queue_mode bio 0 1 1", "priority group count mismatch"),
    ("multipath 5 queue_if_no_path", "invalid number of feature args"),
    ("multipath 9 queue_if_no_path 1 2 3 4 5 6 7 8 0 1 1 round-robin 0 1 1 254:0 1", "invalid number of feature args"),
    ("multipath x 0 1 1 round-robin 0 1 1 254:0 1", "invalid number of feature args"),
    ("multipath -1 0 1 1 round-robin 0 1 1 254:0 1", "invalid number of feature args"),
    ("multipath 0x 0 1 1 round-robin 0 1 1 254:0 1", "invalid number of feature args"),
    ("multipath 1 no_such_feature 0 1 1 round-robin 0 1 1 254:0 1", "Unrecognised multipath feature request"),
    ("multipath 2 queue_if_no_path zzz 0 1 1 round-robin 0 1 1 254:0 1", "Unrecognised multipath feature request"),
    ("multipath 1 pg_init_retries 0 1 1 round-robin 0 1 1 254:0 1", "Unrecognised multipath feature request"),
    ("multipath 2 pg_init_retries 0 0 1 1 round-robin 0 1 1 254:0 1", "pg_init_retries must be between 1 and 50"),
    ("multipath 2 pg_init_retries 51 0 1 1 round-robin 0 1 1 254:0 1", "pg_init_retries must be between 1 and 50"),
    ("multipath 2 pg_init_retries few 0 1 1 round-robin 0 1 1 254:0 1", "pg_init_retries must be between 1 and 50"),
    (
        "multipath 2 pg_init_delay_msecs 60001 0 1 1 round-robin 0 1 1 254:0 1",
        "pg_init_delay_msecs must be between 0 and 60000",
    ),
    ("multipath 1 pg_init_delay_msecs 0 1 1 round-robin 0 1 1 254:0 1", "Unrecognised multipath feature request"),
    ("multipath 2 queue_mode blk 0 1 1 round-robin 0 1 1 254:0 1", "Unknown 'queue_mode' requested"),
    ("multipath 1 queue_mode 0 1 1 round-robin 0 1 1 254:0 1", "Unrecognised multipath feature request"),
    ("multipath 2 queue_mode bio 9 alua", "invalid number of hardware handler args"),
    ("multipath 2 queue_mode bio q 1 1 round-robin 0 1 1 254:0 1", "invalid number of hardware handler args"),
    ("multipath 2 queue_mode bio 1025 1 1 round-robin 0 1 1 254:0 1", "invalid number of hardware handler args"),
    ("multipath 2 queue_mode bio 0 0 1", "invalid initial priority group"),
    ("multipath 2 queue_mode bio 0 1 0 round-robin 0 1 1 254:0 1", "invalid initial priority group"),
    ("multipath 2 queue_mode bio 0 1 1025 round-robin 0 1 1 254:0 1", "invalid initial priority group number"),
    ("multipath 2 queue_mode bio 0 1 one round-robin 0 1 1 254:0 1", "invalid initial priority group number"),
    ("multipath 2 queue_mode bio 0 1025 1 round-robin 0 1 1 254:0 1", "invalid number of priority groups"),
    ("multipath 2 queue_mode bio 0 2 1 round-robin 0 1 1 254:0 1", "priority group count mismatch"),
    ("@ round-robin 0 1 1 254:0 1 round-robin 0 1 1 254:1 1", "priority group count mismatch"),
    ("multipath 2 queue_mode bio 0 0 0 round-robin 0 1 1 254:0 1", "priority group count mismatch"),
    ("@ no-such-selector 0 1 0 254:0", "unknown path selector type"),
    ("@ ROUND-ROBIN 0 1 0 254:0", "unknown path selector type"),
    ("@ round-robin z 1 0 254:0", "invalid number of path selector args"),
    ("@ round-robin 9 1 0 254:0", "invalid number of path selector args"),
    ("@ round-robin", "not enough priority group arguments"),
    ("@ round-robin 0", "invalid number of paths"),
    ("@ round-robin 0 0 0", "invalid number of paths"),
    ("@ round-robin 0 0 0 254:0", "invalid number of paths"),
    ("@ round-robin 0 2 1", "not enough path parameters"),
    ("@ round-robin 0 2 1 254:0 1", "not enough path parameters"),
    ("@ round-robin 0 2 1 254:0 1 254:1", "not enough path parameters"),
    ("@ round-robin 0 1 n 254:0", "invalid number of selector args"),
    ("@ round-robin 0 1 1025 254:0", "invalid number of selector args"),
    ("@ round-robin 0 1025 0 254:0", "invalid number of paths"),
    ("@ round-robin 0 1 1 254:0 1 extra", "not enough priority group arguments"),
    ("@ round-robin 0 1 1 254:0 1 extra words", "unknown path selector type"),
    ("@ round-robin 0 1 2 254:0 1 2", "round-robin ps: incorrect number of arguments"),
    ("@ round-robin 0 1 1 254:0 x", "round-robin ps: invalid repeat count"),
    ("@ round-robin 0 1 1 254:0 1k", "round-robin ps: invalid repeat count"),
    ("@ round-robin 0 1 1 254:0 -1", "round-robin ps: invalid repeat count"),
    ("@ queue-length 0 1 2 254:0 1 2", "queue-length ps: incorrect number of arguments"),
    ("@ queue-length 0 1 1 254:0 many", "queue-length ps: invalid repeat count"),
    ("@ service-time 0 1 3 254:0 1 1 1", "service-time ps: incorrect number of arguments"),
    ("@ service-time 0 1 2 254:0 1 101", "service-time ps: invalid relative_throughput value"),
    ("@ service-time 0 1 2 254:0 1 fast", "service-time ps: invalid relative_throughput value"),
    ("@ service-time 0 1 2 254:0 z 1", "service-time ps: invalid repeat count"),
    ("@ round-robin 0 1 0 99:99", "error getting device (-ENXIO)"),
    ("@ round-robin 0 1 0 /dev/nosuch", "error getting device (-ENOENT)"),
    ("@ round-robin 0 1 0 1:", "error getting device (-ENOENT)"),
    ("@ round-robin 0 1 0 254:0x", "error getting device (-ENOENT)"),
]


def make_world() -> World:
    """As the transcripts have it: u0 to u3, numbered 254:0 to 254:3, linear over a RAM disk."""
    world = World()
    world.ram_path("ram0", Store(32 * MIB))
    for number in range(4):
        world.mapped(f"u{number}", f"0 {SECTORS} linear 259:0 0")
    return world


def load(world: World, words: str) -> MappedDevice:
    return world.mapped("mp", f"0 {SECTORS} {words.replace(*SHORT)}")


@pytest.mark.parametrize(("words", "error"), REFUSED)
def test_refused_with_the_kernels_words(words: str, error: str):
    world = make_world()
    with pytest.raises(TableError) as caught:
        load(world, words)
    suffix = "" if error.endswith(")") else " (-EINVAL)"
    assert str(caught.value) == f"254:4: multipath: {error}{suffix}"
    assert f"(-{caught.value.errno_name})" in str(caught.value)
    assert load(world, "@ round-robin 0 1 0 254:0").devt == "254:4", "nothing has changed"


RETAIN = "retain_attached_hw_handler queue_mode bio"

ACCEPTED = [
    ("@ round-robin 0 1 0 254:0", f"3 {RETAIN} 0 1 1 round-robin 0 1 1 254:0 1 ", "1 1 E 0 1 0 254:0 A 0 "),
    ("@ round-robin 0 1 1 254:0 1000", f"3 {RETAIN} 0 1 1 round-robin 0 1 1 254:0 1 ", "1 1 E 0 1 0 254:0 A 0 "),
    (
        "@ queue-length 0 2 0 254:0 254:1",
        f"3 {RETAIN} 0 1 1 queue-length 0 2 1 254:0 1 254:1 1 ",
        "1 1 E 0 2 1 254:0 A 0 0 254:1 A 0 0 ",
    ),
    (
        "@ service-time 0 2 2 254:0 7 50 254:1 1 100",
        f"3 {RETAIN} 0 1 1 service-time 0 2 2 254:0 1 50 254:1 1 100 ",
        "1 1 E 0 2 2 254:0 A 0 0 50 254:1 A 0 0 100 ",
    ),
    (
        "@ service-time 1 foo 1 1 254:0 1",
        f"3 {RETAIN} 0 1 1 service-time 0 1 2 254:0 1 1 ",
        "1 1 E 0 1 2 254:0 A 0 0 1 ",
    ),
    ("@ round-robin 0 2 0 254:0 254:0", f"3 {RETAIN} 0 1 1 round-robin 0 2 1 254:0 1 254:0 1 ", None),
    (
        "multipath 2 queue_mode bio 0 2 2 round-robin 0 1 0 254:0 round-robin 0 1 0 254:1",
        f"3 {RETAIN} 0 2 2 round-robin 0 1 1 254:0 1 round-robin 0 1 1 254:1 1 ",
        "2 2 E 0 1 0 254:0 A 0 E 0 1 0 254:1 A 0 ",
    ),
    ("multipath 2 queue_mode bio 0 0 0", f"3 {RETAIN} 0 0 0 ", "0 0 "),
    (
        "multipath 2 queue_mode BIO 1 alua 1 1 round-robin 0 1 0 254:0",
        f"3 {RETAIN} 0 1 1 round-robin 0 1 1 254:0 1 ",
        None,
    ),
    (
        "multipath 3 queue_if_no_path queue_mode bio 0 1 1 round-robin 0 1 0 254:0",
        f"4 queue_if_no_path {RETAIN} 0 1 1 round-robin 0 1 1 254:0 1 ",
        None,
    ),
    (
        "multipath 8 queue_if_no_path queue_mode bio pg_init_retries 3 pg_init_delay_msecs 10 retain_attached_hw_handler "
        "0 1 1 round-robin 0 1 0 254:0",
        f"8 queue_if_no_path pg_init_retries 3 pg_init_delay_msecs 10 {RETAIN} 0 1 1 round-robin 0 1 1 254:0 1 ",
        None,
    ),
]


@pytest.mark.parametrize(("words", "table", "status"), ACCEPTED)
def test_accepted_and_printed_in_canonical_form(words: str, table: str, status: str | None):
    target = load(make_world(), words).table.targets[0]
    assert target.status_table() == table
    if status is not None:
        assert target.status_info() == f"2 1 0 0 {status}"


@pytest.mark.parametrize(
    ("features", "printed"),
    [
        ("0", "0"),
        ("1 queue_if_no_path", "1 queue_if_no_path"),
        ("1 QUEUE_IF_NO_PATH", "1 queue_if_no_path"),
        ("2 queue_if_no_path queue_if_no_path", "1 queue_if_no_path"),
        ("2 pg_init_retries 50", "2 pg_init_retries 50"),
        ("2 pg_init_delay_msecs 0", "2 pg_init_delay_msecs 0"),
        ("4 pg_init_retries 1 pg_init_retries 2", "2 pg_init_retries 2"),
        ("2 queue_mode rq", "0"),
        ("2 queue_mode mq", "0"),
        ("4 queue_mode bio queue_mode rq", "0"),
        ("3 queue_if_no_path queue_mode mq", "1 queue_if_no_path"),
    ],
)
def test_request_based_features_over_devices_with_queues(features: str, printed: str):
    world = World()
    for name in ("sda", "sdb"):
        world.ram_path(name, Store(32 * MIB))
    target = load(world, f"multipath {features} 0 1 1 round-robin 0 2 1 259:0 1 259:1 1").table.targets[0]
    assert target.status_table() == f"{printed} 0 1 1 round-robin 0 2 1 259:0 1 259:1 1 "
    assert target.status_info() == "2 1 0 0 1 1 E 0 2 0 259:0 A 0 259:1 A 0 "


@pytest.mark.parametrize("mode", ["rq", "mq"])
def test_request_based_wants_queues_below(mode: str):
    with pytest.raises(TableError, match="table load rejected: including non-request-stackable devices"):
        load(make_world(), f"multipath 2 queue_mode {mode} 0 1 1 round-robin 0 1 0 254:0")


def test_a_hardware_handler_that_does_not_exist():
    world = World()
    world.ram_path("sda", Store(32 * MIB))
    with pytest.raises(TableError, match=r"254:0: multipath: error attaching hardware handler \(-ENODEV\)"):
        load(world, "multipath 0 1 nosuch 1 1 round-robin 0 1 1 259:0 1")


def test_a_table_that_was_printed_can_be_loaded():
    world = make_world()
    first = load(world, "@ service-time 0 2 2 254:0 1 10 254:1 1 20").table.targets[0].status_table()
    again = world.mapped("again", f"0 {SECTORS} multipath {first}").table.targets[0].status_table()
    assert again == first
