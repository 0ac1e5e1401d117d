"""Batches: commands of dmsetup on a machine of their own, in virtual time."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hawser.dm.parameters import ParameterError
from hawser.lab.batch import FAILED, STUCK, Batch, Outcome
from hawser.lab.batch_disks import DiskError
from hawser.lab.batch_text import BatchTextError, Command, parse_batch

TWO_PATHS = "0 65536 multipath 0 0 1 1 round-robin 0 2 0 8:0 8:16"


def run(text: str, parameters: Sequence[str] = ()) -> list[Outcome]:
    batch = Batch(lambda path: "0 8 zero\n" if path == "table" else None, parameters)
    return [batch.run(command) for command in parse_batch(text)]


def test_a_text_is_read_as_a_shell_reads_it() -> None:
    text = "\n".join(
        [
            "# a comment",
            'a \'b  c\' "d \\" e" f\\ g # behind',
            "- h i\\",
            "j k",
            "create x <<END",
            "0 8 zero # kept",
            "END",
            "l 'over",
            "lines'#m",
            "''",
        ]
    )
    commands = parse_batch(text)
    assert [(command.line, command.words, command.stdin, command.keeps_on) for command in commands] == [
        (2, ["a", "b  c", 'd " e', "f g"], "", False),
        (3, ["h", "ij", "k"], "", True),
        (5, ["create", "x"], "0 8 zero # kept\n", False),
        (8, ["l", "over\nlines#m"], "", False),
        (10, [""], "", False),
    ]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("ls\n\nls 'x\n", 3, "has no end"),
        ("create x <<END\n0 8 zero\n", 1, "there is no line that is END"),
        ("create x <<\n", 1, "has to be a word"),
        ("ls\n-\n", 2, "a command is missing"),
        ("<<X\nX\n", 1, "a command is missing"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(BatchTextError, match=said) as caught:
        parse_batch(text)
    assert caught.value.line == line


@given(st.text(alphabet="ab <>'\"\\\n#-=END", max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    wrong = 0
    commands: list[Command] = []
    try:
        commands = parse_batch(text)
    except BatchTextError as error:
        wrong = error.line
    assert 0 <= wrong <= text.count("\n") + 1
    assert all(command.words for command in commands)


TIMEOUT = "dm_multipath.queue_if_no_path_timeout_secs"
NO_PATH = f"""
    disk sda scsi size=32M
    disk sdb scsi size=32M
    create mp --table '{TWO_PATHS.replace("0 0 1 1", "1 queue_if_no_path 0 1 1")}'
    message mp 0 fail_path 8:0
    message mp 0 fail_path 8:16
    sleep 20
    table mp
    sysfs get /sys/module/dm_multipath/parameters/queue_if_no_path_timeout_secs
    """


@pytest.mark.parametrize(("given", "queues", "shown"), [((), True, "0"), ((f"{TIMEOUT}=10",), False, "10")])
def test_a_machine_has_the_parameters_that_it_is_given(given: tuple[str, ...], queues: bool, shown: str) -> None:
    """The timer of a map without paths; and what sysfs shows."""
    done = run(NO_PATH, given)
    assert [outcome.rc for outcome in done] == [0] * len(done)
    assert ("queue_if_no_path" in done[-2].stdout) == queues
    assert done[-1].stdout == f"{shown}\n"


def test_a_parameter_may_be_set_while_a_batch_runs() -> None:
    first, _, rest = NO_PATH.partition("message mp")
    path = "/sys/module/dm_multipath/parameters/queue_if_no_path_timeout_secs"
    done = run(f"{first}sysfs set {path} 10\n message mp{rest}", (f"{TIMEOUT}=3600",))
    assert "queue_if_no_path" not in done[-2].stdout
    assert done[-1].stdout == "10\n"


def test_a_machine_goes_by_the_rules_that_it_is_given() -> None:
    with pytest.raises(ParameterError):
        run("ls", ("dm_multipath.semantics=6.16", f"{TIMEOUT}=x"))
    for release, version in (("6.12", "1.14.0"), ("6.16", "1.15.0")):
        shown = run("create mp --table '0 8 multipath 0 0 0 0'\nmeasure", (f"dm_multipath.semantics={release}",))[
            -1
        ].stdout
        assert f"target_version={version}," in shown


def test_two_paths_to_one_disk_fail_and_come_back() -> None:
    done = run(
        f"""
        disk sda scsi size=32M delay=0.01
        disk sdb scsi size=32M delay=0.01
        create mp --table '{TWO_PATHS}'
        io write /dev/mapper/mp count=8 fill=index
        sysfs set /sys/block/sda/device/state offline
        io read /dev/mapper/mp count=8 verify=index
        status mp
        """
    )
    assert [outcome.rc for outcome in done] == [0] * 7
    assert done[6].stdout == "0 65536 multipath 2 0 0 0 1 1 A 0 2 0 8:0 F 1 8:16 A 0 \n"
    assert done[5].log[0] == "device-mapper: multipath: 254:0: Failing path 8:0."


def test_waiting_takes_no_time_and_what_never_ends_is_found_out() -> None:
    done = run(
        f"""
        disk sda scsi
        disk sdb scsi
        create mp --table '{TWO_PATHS}'
        bg first wait mp 0
        join first 5
        message mp 0 fail_path 8:0
        join first
        sleep 100000
        wait mp 1
        join nosuch
        ls
        """
    )
    assert [outcome.rc for outcome in done] == [0, 0, 0, 0, STUCK, 0, 0, STUCK, STUCK, FAILED, 0]
    assert "it has not ended within 5 s" in done[4].stderr
    assert "it does not end" in done[8].stderr


def test_every_kind_of_disk_may_be_stood_on() -> None:
    done = run(
        """
        disk d0 ram size=1M
        disk d1 zero size=1T
        disk d2 error
        disk d3 null size=1M depth=4 delay=0.5
        create all --table '0 8 linear /dev/d0 0
                            8 8 linear /dev/d1 0
                            16 8 linear /dev/d2 0
                            24 8 linear 253:0 0'
        io write /dev/mapper/all bs=4096 count=4 fill=5 log=failed
        io read /dev/mapper/all bs=4096 count=4 verify=5 log=failed
        create from table
        table from
        deps -o blkdevname all
        """
    )
    assert [outcome.rc for outcome in done[:5]] == [0] * 5
    assert done[5].stdout == "ok=3 EIO=1 first_error_index=2\nfailed: 2:EIO\n"
    assert done[6].stdout == "ok=3 EIO=1 first_error_index=2 mismatch=1\nfailed: 2:EIO\n"
    assert done[8].stdout == "0 8 zero \n"
    assert done[9].stdout == "4 dependencies\t: (d3) (d2) (d1) (d0)\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("d0", "disk NAME KIND"),
        ("d0 floppy", "is none of ram, zero, error, null, scsi"),
        ("a/b ram", "without a slash"),
        ("d0 ram delay=1", "a ram disk has size="),
        ("d0 ram size=0", "whole sectors"),
        ("d0 ram size=1000", "whole sectors"),
        ("d0 ram size=1P", "at most"),
        ("d0 ram size=big", "is not a number of bytes"),
        ("d0 null depth=0", "1 to 4096"),
        ("d0 null depth=x", "depth: "),
        ("d0 null delay=-1", "is not a number of seconds"),
        ("s0 ram", "there is one of that name"),
        ("s1 scsi size=1M", "its size and delay are those of s0"),
    ],
)
def test_disks_that_cannot_be_made(words: str, said: str) -> None:
    batch = Batch(lambda path: None)
    batch.add_disk(["s0", "scsi"])
    with pytest.raises(DiskError, match=said):
        batch.add_disk(words.split())
    assert batch.run(parse_batch(f"disk {words}")[0]).rc == FAILED
    assert batch.run(parse_batch("create x --table '0 8 linear /dev/s0 0'")[0]).rc == 0


@pytest.mark.parametrize("words", ["nosuch", "bg x", "bg x nosuch", "join", "join x y", "io", "io read", "sysfs"])
def test_what_cannot_be_run_fails(words: str) -> None:
    outcome = run(words)[0]
    assert outcome.rc != 0
    assert outcome.stderr
