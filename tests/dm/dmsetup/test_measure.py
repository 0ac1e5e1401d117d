"""`dmsetup measure`: what Linux's integrity measurement would record of each target. Texts as Linux 6.12.117 printed them."""

import pytest
from tests.dm.dmsetup.shell import Shell
from tests.dm.targets.rigs import TargetRig

from hawser.core.status import IOERR
from hawser.lab.world import Answer

LINEAR = "target_name=linear,target_version=1.4.0,device_name=259:0,start={};"
MULTIPATH = (
    "target_name=multipath,target_version=1.14.0,nr_priority_groups=1,pg_state_0=E,nr_pgpaths_0=1,"
    "path_selector_name_0=round-robin,path_name_0_0=259:0,is_active_0_0={},fail_count_0_0={},path_selector_status_0_0=;"
)


@pytest.mark.parametrize(
    ("table", "printed"),
    [
        ("0 64 linear 259:0 0", LINEAR.format(0)),
        ("0 64 linear 259:0 010", LINEAR.format(10)),
        (
            "0 64 striped 2 16 259:0 64 259:0 0",
            "target_name=striped,target_version=1.6.0,stripes=2,chunk_size=16,"
            "stripe_0_device_name=259:0,stripe_0_physical_start=64,stripe_0_status=A,"
            "stripe_1_device_name=259:0,stripe_1_physical_start=0,stripe_1_status=A;",
        ),
        ("0 64 zero", ""),
        ("0 64 error", ""),
        ("0 64 error 259:0 0", ""),
        ("0 64 delay 259:0 0 5", ""),
        ("0 64 flakey 259:0 0 1 1", ""),
        ("0 64 dust 259:0 0 512", ""),
    ],
)
def test_each_type_has_its_form_or_none(table: str, printed: str) -> None:
    shell = Shell()
    assert shell.say("create", "a", "--table", table) == (0, "", "")
    assert shell.say("measure", "a") == (0, f"0 64 {table.split()[2]} {printed}\n", "")


def test_of_a_map_it_is_the_state_of_groups_and_paths() -> None:
    shell = Shell()
    assert shell.say("measure", "mp")[1] == f"0 2048 multipath {MULTIPATH.format('A', 0)}\n"
    shell.say("message", "mp", "0", "fail_path", "259:0")
    assert shell.say("measure", "mp")[1] == f"0 2048 multipath {MULTIPATH.format('F', 1)}\n"


def test_a_stripe_that_has_failed_is_dead() -> None:
    rig = TargetRig("0 1024 striped 2 8 259:0 0 259:1 0")
    rig.disks[1].driver.default = Answer(IOERR)
    rig.client.write(8, bytes(512))
    rig.world.run()
    assert rig.target().status_ima().endswith("stripe_1_device_name=259:1,stripe_1_physical_start=0,stripe_1_status=D;")
    assert "stripe_0_status=A" in rig.target().status_ima()


def test_a_mirror_says_which_leg_is_out() -> None:
    """Linux: dm-raid1.c, without what it says of its log."""
    rig = TargetRig("0 1024 raid1 2 259:0 0 259:1 0")
    rig.disks[0].driver.default = Answer(IOERR)
    rig.client.write(8, bytes(512))
    rig.world.run()
    assert rig.target().status_ima() == (
        "target_name=raid1,target_version=1.0.0,nr_mirrors=2,"
        "mirror_device_0=259:0,mirror_device_0_status=D,mirror_device_1=259:1,mirror_device_1_status=A;"
    )


@pytest.fixture
def shell() -> Shell:
    """With a device of three targets, one with a table that waits, and one without any."""
    shell = Shell()
    shell.say("create", "three", "--table", "0 8 linear 259:0 0\n8 8 zero\n16 8 linear 259:0 8")
    shell.say("create", "nt", "--notable", "-u", "UU-1")
    shell.say("create", "w", "--table", "0 8 zero")
    shell.say("load", "w", "--table", "0 16 linear 259:0 16")
    shell.say("remove", "mp")
    return shell


ALL = [f"three: 0 8 linear {LINEAR.format(0)}", "three: 8 8 zero ", f"three: 16 8 linear {LINEAR.format(8)}"]


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("", ["nt: ", *ALL, "w: 0 8 zero "]),
        ("three", [line.removeprefix("three: ") for line in ALL]),
        ("three w", [*ALL, "w: 0 8 zero "]),
        ("nt", [""]),
        ("-u UU-1", [""]),
        ("w", ["0 8 zero "]),
        ("--inactive w", [f"0 16 linear {LINEAR.format(16)}"]),
        ("--target zero", ["three: 8 8 zero ", "w: 0 8 zero "]),
        ("--target linear w", []),
        ("-S segments=3", ALL),
        ("-S name=nosuch", []),
        ("-S tables_loaded=None", ["nt: "]),
    ],
)
def test_it_takes_what_status_takes(shell: Shell, words: str, lines: list[str]) -> None:
    assert shell.say("measure", *words.split()) == (0, "".join(f"{line}\n" for line in lines), "")


def test_what_there_is_not_is_refused_as_by_status(shell: Shell) -> None:
    said = (1, "", "Device does not exist.\nCommand failed.\n")
    assert shell.say("measure", "nosuch") == said
    assert shell.say("measure", "w", "nosuch") == (1, "w: 0 8 zero \n", said[2])
    assert shell.say("measure", "-S", "nosuch=1")[0] == 1
    for name in ("three", "nt", "w"):
        shell.say("remove", name)
    assert shell.say("measure") == (0, "No devices found\n", "")
