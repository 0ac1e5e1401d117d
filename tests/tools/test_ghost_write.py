"""tools.ghost_write: which rows are played, what is said of what a disk holds, and what it comes to. No servers here."""

import pytest
from click.testing import CliRunner
from tools.choices import PlanError, words
from tools.ghost_write import plan, report
from tools.ghost_write.__main__ import main
from tools.ghost_write.judge import CHANGED, GHOST, LOST, NEWER, OTHER, Seen, verdict
from tools.ghost_write.plan import Asked, Variant
from tools.ghost_write.report import Row
from tools.ghost_write.trial import Outcome

BLOCK = 4096


def seen(final, settled=None, older=True, newer=True):
    return Seen(final, settled, older, newer)


def variant(**words):
    return Variant("nbdkit", words.pop("fault", "timeout"), **words)


# What the disk holds.


def test_the_newer_data_alone_is_right_where_one_followed_the_other():
    assert verdict(variant(), seen(b"N" * BLOCK)) == (NEWER, False)
    assert verdict(variant(), seen(b"W" * BLOCK)) == (GHOST, True)
    assert verdict(variant(), seen(b"N" * (BLOCK - 1) + b"W")) == (GHOST, True)
    assert verdict(variant(), seen(b"0" * BLOCK)) == (OTHER, True)


def test_what_still_waits_loses_nothing():
    assert verdict(variant(), seen(b"W" * BLOCK, newer=False)) == ("nothing lost", False)


def test_where_only_the_older_one_went_its_data_must_stand():
    case = variant(overlap="smaller")
    right = b"W" * BLOCK + b"N" * BLOCK + b"W" * 2 * BLOCK
    assert verdict(case, seen(right)) == (NEWER, False)
    assert verdict(case, seen(right[: 3 * BLOCK] + b"0" * BLOCK)) == (LOST, True)
    assert verdict(case, seen(b"0" * BLOCK + right[BLOCK:])) == (LOST, True)
    assert verdict(case, seen(right[: 3 * BLOCK] + b"0" * BLOCK, older=False)) == (NEWER, False)


@pytest.mark.parametrize("overlap", ["partial", "larger"])
def test_a_ghost_is_told_by_its_own_bytes(overlap):
    case = variant(overlap=overlap)
    start, size = case.whole_range()
    content = bytearray(b"W" * size)
    place, length = case.newer_range()
    content[place - start : place - start + length] = b"N" * length
    assert verdict(case, seen(bytes(content))) == (NEWER, False)
    place, length = case.older_range()
    content[place - start : place - start + length] = b"W" * length
    assert verdict(case, seen(bytes(content))) == (GHOST, True)


@pytest.mark.parametrize("order", ["before", "beside"])
def test_of_two_at_once_either_may_be_last_but_not_first_one_then_the_other(order):
    case = variant(order=order)
    assert verdict(case, seen(b"W" * BLOCK, b"W" * BLOCK)) == (NEWER, False)
    assert verdict(case, seen(b"N" * BLOCK, b"N" * BLOCK)) == (NEWER, False)
    assert verdict(case, seen(b"W" * BLOCK, b"N" * BLOCK)) == (CHANGED, True)
    assert verdict(case, seen(b"W" * BLOCK, None, older=False)) == (NEWER, False)


def test_a_discard_promises_no_content_but_what_was_read_stays():
    case = variant(newer="discard")
    assert verdict(case, seen(bytes(BLOCK), bytes(BLOCK))) == (NEWER, False)
    assert verdict(case, seen(b"W" * BLOCK, b"W" * BLOCK)) == (NEWER, False)
    assert verdict(case, seen(b"W" * BLOCK, bytes(BLOCK))) == (GHOST, True)


def test_fua_and_merged_writes_leave_what_plain_ones_do():
    case = variant(older="merged", newer="fua")
    assert verdict(case, seen(b"N" * BLOCK)) == (NEWER, False)
    assert verdict(case, seen(b"W" * BLOCK)) == (GHOST, True)


def test_zeroes_over_a_newer_write_are_seen():
    case = variant(older="zeroes")
    assert verdict(case, seen(bytes(BLOCK))) == (GHOST, True)
    assert verdict(case, seen(b"N" * BLOCK)) == (NEWER, False)


# Which rows there are.


def test_ranges_overlap_as_they_are_called():
    for overlap in plan.OVERLAPS:
        case = variant(overlap=overlap)
        (a, a_size), (b, b_size) = case.older_range(), case.newer_range()
        common = min(a + a_size, b + b_size) - max(a, b)
        assert common == (0 if overlap == "neighbour" else BLOCK)
        assert a % 4096 == 0 and (b % 4096 == 0) == (overlap != "neighbour")


def test_the_usual_rows_have_every_fault_operation_size_overlap_and_order_for_each_server():
    rows = plan.make(Asked())
    for server in plan.SERVERS:
        own = [row for row in rows if row.server == server]
        assert {row.fault for row in own} == set(plan.FAULTS)
        assert {(row.older, row.newer) for row in own} >= {
            ("write", "write"),
            ("write", "zeroes"),
            ("write", "discard"),
            ("zeroes", "write"),
            ("discard", "write"),
            ("fua", "write"),
            ("merged", "merged"),
        }
        assert {row.size for row in own} == set(plan.SIZES)
        assert {row.overlap for row in own} == set(plan.OVERLAPS)
        assert {row.order for row in own} == set(plan.ORDERS)
    assert not [row for row in rows if row.why_not()]
    assert len(set(rows)) == len(rows)


def test_a_seed_draws_the_same_rows_again_and_another_one_others():
    assert plan.make(Asked(seed=5)) == plan.make(Asked(seed=5))
    assert plan.make(Asked(seed=5)) != plan.make(Asked(seed=6))


def test_what_is_asked_for_is_all_that_is_played():
    rows = plan.make(Asked(("nbdkit",), ("stop",), ("zeroes",), (8192,), ("partial",), ("before",)))
    assert {(row.older, row.newer) for row in rows} == {("zeroes", "write"), ("write", "zeroes")}
    assert {(row.older, row.newer) for row in plan.make(Asked(("nbdkit",), ops=("fua",), whole=True))} >= {
        ("fua", "fua")
    }
    assert {(row.fault, row.size, row.overlap, row.order) for row in rows} == {("stop", 8192, "partial", "before")}


def test_the_whole_is_every_combination():
    rows = plan.make(Asked(("nbdkit",), ("timeout", "stop"), ("write",), (4096, 8192), ("same", "larger"), whole=True))
    assert len(rows) == 2 * 2 * 2 * 3


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(overlaps=("neighbour",), faults=("stop",), whole=True), "neighbour needs the fault timeout"),
        (Asked(faults=("lost-cache",), ops=("zeroes",), whole=True), "lost-cache"),
        (Asked(sizes=tuple(range(4096, 4096 * 40, 4096)), whole=True), "at most 2000"),
    ],
)
def test_rows_that_would_show_nothing_or_never_end_are_refused(asked, words):
    with pytest.raises(PlanError, match=words):
        plan.make(asked)


def test_a_cache_is_written_in_its_own_blocks():
    rows = [row for row in plan.make(Asked()) if row.fault == "cached"]
    assert rows and all(row.size % plan.CACHE_BLOCK == 0 and row.block() == plan.CACHE_BLOCK for row in rows)
    with pytest.raises(PlanError, match="65536 bytes, the block of the cache"):
        plan.make(Asked(faults=("cached",), sizes=(8192,)))


def test_what_is_merged_has_a_size_that_can_be_cut():
    rows = [row for row in plan.make(Asked()) if "merged" in (row.older, row.newer)]
    assert rows and all(row.size % (plan.PIECES * row.block()) == 0 for row in rows if row.overlap == "same")
    assert {row.block() for row in plan.make(Asked(sizes=(4096, 1536)))} == {512, 4096}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--servers", "nbdkit,samba"], "'samba' is unknown; there are nbdkit, nbd-server, qemu-nbd"),
        (["--ops", "erase"], "'erase' is unknown; there are write, zeroes, discard, fua, merged"),
        (["--sizes", "4096,1000"], "'1000' is not a multiple of 512 bytes"),
        (["--ops", "merged", "--sizes", "4096", "--overlaps", "same"], "merged needs a multiple of 4 blocks"),
        (["--sizes", "0"], "'0' is not a multiple"),
        (["--sizes", "8388608"], "from 512 to 4194304"),
        (["--sizes", "4096,4096"], "4096 is given twice"),
        (["--orders", "after,after"], "'after' is given twice"),
        (["--overlaps", "none"], "'none' is unknown"),
        (["--faults", "fire"], "'fire' is unknown"),
        (["--quick", "--whole"], "exclude each other"),
        (["--jobs", "1000"], "1000"),
    ],
)
def test_wrong_usage_is_said_and_nothing_is_played(words, complaint):
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert complaint in done.output


# The table.


def row(naive, hawser, **words):
    return Row(variant(**words), naive, hawser)


GOOD = row(Outcome(GHOST, True), Outcome(NEWER, newer_wait_s=1.5, others_s=0.25, proof="answered"))
WAITS = row(Outcome(GHOST, True), Outcome("nothing lost", waits=True, proof="none: still waits"), fault="cut-hard")


def test_the_table_says_what_each_side_did_and_what_it_cost():
    table = report.render([GOOD, WAITS]).splitlines()
    assert table[0].split("|")[7].strip() == "naive resend"
    assert table[2].count("|") == table[0].count("|") == 12
    for said in ("nbdkit", "write / write", "OLD DATA over newer", "newer data", "1.50 s", "0.25 s", "answered"):
        assert said in table[2]
    assert "still waits" in table[3]
    assert "naive resend 2 (nbdkit 2); hawser 0. Newer writes that still wait: 1" in report.summary([GOOD, WAITS])
    assert report.summary([GOOD, WAITS, GOOD]).endswith("By what lifted the fence: answered 2, none: still waits 1.")


def test_the_status_tells_a_loss_of_hawsers_from_a_row_that_was_not_played():
    assert report.status([GOOD, WAITS]) == 0
    assert report.status([GOOD, row(Outcome(NEWER), Outcome(GHOST, True))]) == 1
    assert report.status([GOOD, row(Outcome(error="OSError: no"), Outcome(NEWER))]) == 3
    assert report.status([row(None, Outcome(NEWER))]) == 3


def test_a_fence_lifted_by_nothing_and_not_declared_is_a_fault():
    unproven = Outcome(NEWER, proof="unproven: the declared quiesce time passed")
    assert report.status([row(Outcome(GHOST, True), unproven)]) == 1
    assert report.status([row(Outcome(GHOST, True), unproven, fault="cut-quiesce")]) == 0


def test_a_row_names_the_command_that_plays_it_again():
    said = report.command(row(None, None, older="zeroes", size=8192, overlap="partial", order="before"), "bio").split()
    done = plan.make(
        Asked(
            ("nbdkit",),
            ("timeout",),
            words("", said[said.index("--ops") + 1], plan.OPS),
            (8192,),
            ("partial",),
            ("before",),
            whole=True,
        )
    )
    assert Variant("nbdkit", "timeout", "zeroes", "write", 8192, "partial", "before") in done
    assert said[-4:] == ["--queue-mode", "bio", "--cache", "lun"]
    assert report.command(row(None, None), "rq", "path").endswith("--cache path")
