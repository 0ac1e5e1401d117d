"""Messages and the state after each, as the kernel's transcripts 20 and 21 have them."""

import pytest

from hawser.core.status import IOERR, OK
from hawser.core.units import MIB
from hawser.dm.dmsetup import brief as verbs
from hawser.dm.dmsetup.brief import VerbError
from hawser.lab.world import Client, Store, World

TABLE = "0 65536 multipath 2 queue_mode bio 0 2 1 round-robin 0 2 1 254:0 1 254:1 1 round-robin 0 2 1 254:2 1 254:3 1"
START = "0 65536 multipath 2 1 0 0 2 1 E 0 2 0 254:0 A 0 254:1 A 0 E 0 2 0 254:2 A 0 254:3 A 0 \n"

# What was done; group number, then per group its letter and its paths' letters and failures; events so far.
STEPS = [
    ("read", "1 A A0 A0 E A0 A0", 0),
    ("fail_path 254:0", "1 A F1 A0 E A0 A0", 1),
    ("fail_path 254:0", "1 A F1 A0 E A0 A0", 1),
    ("reinstate_path 254:0", "1 A A1 A0 E A0 A0", 2),
    ("reinstate_path 254:0", "1 A A1 A0 E A0 A0", 2),
    ("fail_path 254:0", "1 A F2 A0 E A0 A0", 3),
    ("fail_path 254:1", "1 A F2 F1 E A0 A0", 4),
    ("read", "2 E F2 F1 A A0 A0", 4),
    ("reinstate_path 254:0", "2 E A2 F1 A A0 A0", 5),
    ("read", "2 E A2 F1 A A0 A0", 5),
    ("switch_group 1", "1 E A2 F1 E A0 A0", 6),
    ("read", "1 A A2 F1 E A0 A0", 6),
    ("switch_group 2", "2 E A2 F1 E A0 A0", 7),
    ("read", "2 E A2 F1 A A0 A0", 7),
    ("disable_group 2", "1 E A2 F1 D A0 A0", 8),
    ("read", "1 A A2 F1 D A0 A0", 8),
    ("disable_group 1", "1 D A2 F1 D A0 A0", 9),
    ("read", "1 D A2 F1 D A0 A0", 9),
    ("enable_group 2", "1 D A2 F1 E A0 A0", 10),
    ("read", "2 D A2 F1 A A0 A0", 10),
    ("enable_group 1", "1 E A2 F1 E A0 A0", 11),
    ("read", "1 A A2 F1 E A0 A0", 11),
    ("switch_group 2", "2 E A2 F1 E A0 A0", 12),
    ("disable_group 2", "2 E A2 F1 D A0 A0", 13),
    ("read", "2 E A2 F1 D A0 A0", 13),
    ("enable_group 2", "1 E A2 F1 E A0 A0", 14),
    ("fail_path 254:2", "1 E A2 F1 E F1 A0", 15),
    ("fail_path 254:3", "1 E A2 F1 E F1 F1", 16),
    ("switch_group 2", "2 E A2 F1 E F1 F1", 17),
    ("read", "1 A A2 F1 E F1 F1", 17),
    ("queue_if_no_path", "1 A A2 F1 E F1 F1", 17),
    ("fail_if_no_path", "1 A A2 F1 E F1 F1", 17),
    ("QUEUE_IF_NO_PATH", "1 A A2 F1 E F1 F1", 17),
    ("Fail_If_No_Path", "1 A A2 F1 E F1 F1", 17),
    ("fail_path 254:0", "1 A F3 F1 E F1 F1", 18),
    ("fail_path 254:1", "1 A F3 F1 E F1 F1", 18),
    ("fail_path 254:2", "1 A F3 F1 E F1 F1", 18),
    ("fail_path 254:3", "1 A F3 F1 E F1 F1", 18),
    ("fail_path 254:0", "1 A F3 F1 E F1 F1", 18),
    ("read, which fails", "1 E F3 F1 E F1 F1", 18),
    ("reinstate_path 254:0", "1 E A3 F1 E F1 F1", 19),
    ("reinstate_path 254:1", "1 E A3 A1 E F1 F1", 20),
    ("reinstate_path 254:2", "1 E A3 A1 E A1 F1", 21),
    ("reinstate_path 254:3", "1 E A3 A1 E A1 A1", 22),
    ("read", "1 A A3 A1 E A1 A1", 22),
    ("fail_path /dev/mapper/u1", "1 A A3 F2 E A1 A1", 23),
    ("reinstate_path /dev/mapper/u1", "1 A A3 A2 E A1 A1", 24),
]


def make_world() -> World:
    world = World()
    world.ram_path("ram0", Store(32 * MIB))
    for number in range(5):
        device = world.mapped(f"u{number}", "0 65536 linear 259:0 0")
        world.registry.remove(device)
        world.registry.add(device, [f"/dev/mapper/u{number}"])
    world.mapped("mp", TABLE)
    return world


def spelt_out(short: str) -> str:
    """The status line that `short` stands for."""
    number, first, *words = short.split()
    paths = [f"254:{place} {word[0]} {word[1:]} " for place, word in enumerate(words[:2] + words[3:])]
    groups = f"{first} 0 2 0 {''.join(paths[:2])}{words[2]} 0 2 0 {''.join(paths[2:])}"
    return f"0 65536 multipath 2 0 0 0 2 {number} {groups}\n"


def test_transcript_20():
    world = make_world()
    device = world.registry.mapped("mp")
    assert device is not None
    client = Client(device)
    assert verbs.status(world.registry, "mp") == START
    for doing, short, events in STEPS:
        if doing.startswith("read"):
            client.done.clear()
            for number in range(4):
                client.read(number * 8, 4096)
            world.run()
            assert {bio.status for bio in client.done} == {IOERR if "fails" in doing else OK}
        else:
            assert verbs.message(world.registry, "mp", 0, doing.split()) == ""
            world.settle()
        assert verbs.status(world.registry, "mp") == spelt_out(short), doing
        assert f"\nEvent number:      {events}\n" in verbs.info(world.registry, "mp"), doing


def test_what_the_log_says():
    world = make_world()
    verbs.message(world.registry, "mp", 0, ["fail_path", "254:0"])
    verbs.message(world.registry, "mp", 0, ["reinstate_path", "254:0"])
    assert [text for _, text in world.log.lines] == [
        "multipath: 254:5: Failing path 254:0.",
        "multipath: 254:5: Reinstating path 254:0.",
    ]


ARGUMENTS = "Invalid multipath message arguments. Expected 2 arguments, got {}."


@pytest.mark.parametrize(
    ("words", "error", "why"),
    [
        ("", "Invalid argument", "Empty message received."),
        ("hello", "Invalid argument", ARGUMENTS.format(1)),
        ("hello world", "Invalid argument", "Unrecognised multipath message received: hello"),
        ("fail_path", "Invalid argument", ARGUMENTS.format(1)),
        ("fail_path 254:4", "Invalid argument", "message: 254:4 is not a path of this device"),
        ("fail_path 99:99", "Invalid argument", "message: 99:99 is not a path of this device"),
        ("fail_path /dev/nosuch", "No such file or directory", "message: error getting device /dev/nosuch"),
        ("fail_path 254:0 254:1", "Invalid argument", ARGUMENTS.format(3)),
        ("reinstate_path x", "No such file or directory", "message: error getting device x"),
        ("switch_group", "Invalid argument", ARGUMENTS.format(1)),
        ("switch_group 0", "Invalid argument", "invalid PG number supplied to switch_pg_num"),
        ("switch_group 3", "Invalid argument", "invalid PG number supplied to switch_pg_num"),
        ("switch_group 1x", "Invalid argument", "invalid PG number supplied to switch_pg_num"),
        ("disable_group 0", "Invalid argument", "invalid PG number supplied to bypass_pg"),
        ("enable_group 9", "Invalid argument", "invalid PG number supplied to bypass_pg"),
        ("queue_if_no_path 1", "Invalid argument", "Unrecognised multipath message received: queue_if_no_path"),
        ("fail_if_no_path now please", "Invalid argument", ARGUMENTS.format(3)),
    ],
)
def test_transcript_21(words: str, error: str, why: str):
    world = make_world()
    with pytest.raises(VerbError) as caught:
        verbs.message(world.registry, "mp", 0, words.split())
    assert str(caught.value) == f"device-mapper: message ioctl on mp  failed: {error}\nCommand failed.\n{why}"
    assert verbs.status(world.registry, "mp") == START, "nothing has changed"


@pytest.mark.parametrize(("sector", "good"), [(0, True), (8, True), (65535, True), (65536, False), (-1, False)])
def test_a_message_to_a_sector(sector: int, good: bool):
    world = make_world()
    if good:
        assert verbs.message(world.registry, "mp", sector, ["queue_if_no_path"]) == ""
    else:
        with pytest.raises(VerbError, match="Target message sector outside device"):
            verbs.message(world.registry, "mp", sector, ["queue_if_no_path"])
