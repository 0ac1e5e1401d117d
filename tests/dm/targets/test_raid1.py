"""raid1: what goes to both legs, what an answer of one of them means, and that the legs stay alike."""

import pytest
from tests.dm.targets.rigs import TargetRig, pattern

from hawser.block.bio import Bio
from hawser.block.ops import DISCARD, FLUSH, FUA, NOWAIT, RAHEAD, READ, WRITE, WRITE_ZEROES
from hawser.block.orphan import PROOF_ANSWER
from hawser.block.request import NOT_SENT, UNKNOWN
from hawser.core.status import AGAIN, IOERR, MEDIUM, NOTSUPP, OK, TIMEOUT, TRANSPORT
from hawser.core.units import NS_PER_MS
from hawser.dm.target import TableError
from hawser.lab.world import Answer, Client

MS = NS_PER_MS
TABLE = "0 1024 raid1 2 259:0 0 259:1 0"
AA, AD, DA = ("2 259:0 259:1 1 " + letters for letters in ("AA", "AD", "DA"))

REFUSED = [
    ("", "Invalid number of mirrors", "EINVAL"),
    ("x 259:0 0", "Invalid number of mirrors", "EINVAL"),
    ("1 259:0 0", "Invalid number of mirrors", "EINVAL"),
    ("3 259:0 0 259:1 0 259:0 0", "Invalid number of mirrors", "EINVAL"),
    ("2 259:0 0", "Too few mirror arguments", "EINVAL"),
    ("2 259:0 0 259:1", "Too few mirror arguments", "EINVAL"),
    ("2 259:0 0 259:1 x", "Invalid offset", "EINVAL"),
    ("2 nosuch 0 259:1 0", "Device lookup failure", "ENOENT"),
    ("2 259:0 0 240:1 0", "Device lookup failure", "ENXIO"),
    ("2 259:0 0 254:0 0", "Device lookup failure", "EINVAL"),
    ("2 259:0 0 259:1 0 1 handle_errors", "Too many mirror arguments", "EINVAL"),
]


@pytest.mark.parametrize(("words", "error", "errno"), REFUSED)
def test_refused_with_the_words_of_dm_mirror(words: str, error: str, errno: str):
    with pytest.raises(TableError) as caught:
        TargetRig(f"0 1024 raid1 {words}")
    assert (str(caught.value), caught.value.errno_name) == (f"254:0: raid1: {error} (-{errno})", errno)


def test_table_and_status():
    rig = TargetRig("0 1024 raid1 2 259:0 0 259:1 8")
    assert (rig.target().status_table(), rig.info()) == ("2 259:0 0 259:1 8", AA)
    assert rig.target().devices() == [disk.device for disk in rig.disks]


def test_a_leg_that_is_too_small():
    with pytest.raises(TableError, match="d1 too small for target: start=1025, len=1024, dev_size=2048"):
        TargetRig("0 1024 raid1 2 259:0 0 259:1 1025")


def test_everything_but_a_read_goes_to_both_legs():
    rig = TargetRig("0 1024 raid1 2 259:0 0 259:1 8")
    client = rig.client
    client.write(3, pattern(1, 2))
    client.write(9, pattern(1, 1), FUA)
    client.flush()
    rig.world.run()
    client.discard(16, 4096)
    client.write_zeroes(32, 4096)
    rig.world.run()
    read = client.read(3, 1024)
    rig.world.run()
    assert {bio.status for bio in client.done} == {OK}
    first = [(WRITE, 3, 1024), (WRITE, 9, 512), (FLUSH, 0, 0), (DISCARD, 16, 4096), (WRITE_ZEROES, 32, 4096)]
    moved = [(op, sector + (8 if size else 0), size) for op, sector, size in first]
    assert rig.sent() == [[*first, (READ, 3, 1024)], moved]
    assert read.data == pattern(1, 2)
    assert rig.store(0)[: 64 * 512] == rig.store(1)[8 * 512 : 72 * 512]
    assert rig.at_rest()


def test_a_batch_merges_on_both_legs():
    rig = TargetRig(TABLE)
    rig.client.submit([Bio(WRITE, number, 512, rig.client, pattern(number, 1)) for number in range(16)])
    rig.world.run()
    assert rig.sent() == [[(WRITE, 0, 8192)]] * 2
    assert rig.store(0) == rig.store(1)


def test_nothing_ends_before_both_have_answered():
    rig = TargetRig(TABLE)
    rig.disks[1].driver.default = Answer(delay_ns=5 * MS)
    bios = [rig.client.write(0, bytes(512)), rig.client.flush()]
    rig.world.pass_time(4 * MS)
    assert rig.client.done == []
    rig.world.run()
    assert [bio.status for bio in bios] == [OK, OK]


@pytest.mark.parametrize("status", [IOERR, TRANSPORT, MEDIUM, NOTSUPP])
@pytest.mark.parametrize("op", [WRITE, DISCARD, WRITE_ZEROES, FLUSH])
@pytest.mark.parametrize("bad", [0, 1])
def test_what_one_leg_can_do_has_succeeded_and_the_other_is_out(op: int, status: int, bad: int):
    rig = TargetRig(TABLE)
    client = rig.client
    rig.disks[bad].driver.script.append(Answer(status))
    size = 0 if op == FLUSH else 4096
    bio = client.submit([Bio(op, 0, size, client, pattern(1, 8) if op == WRITE else None)])[0]
    rig.world.run()
    letter = "F" if op == FLUSH else "D"
    assert (bio.status, rig.device.event_nr) == (OK, 1)
    assert rig.info() == f"2 259:0 259:1 1 {letter + 'A' if bad == 0 else 'A' + letter}"
    assert [line for _, line in rig.world.log.lines][1] == "raid1: 254:0: Operation continuing on 1 devices."
    rig.sent()
    # From now on only the other one is asked, and its errors are the client's.
    client.write(8, pattern(9, 1))
    rig.world.run()
    rig.disks[1 - bad].driver.default = Answer(IOERR)
    later = [client.read(8, 512), client.write(8, pattern(9, 1)), client.flush(), client.discard(8, 512)]
    rig.world.run()
    assert [bio.status for bio in later] == [IOERR] * 4
    assert (rig.sent()[bad], rig.device.event_nr, rig.info().count("A")) == ([], 1, 1)
    assert rig.at_rest()


def test_what_both_legs_fail_has_failed_and_one_stays():
    rig = TargetRig(TABLE)
    for disk in rig.disks:
        disk.driver.script.append(Answer(IOERR))
    bio = rig.client.write(0, pattern(1, 1))
    rig.world.run()
    assert (bio.status, rig.info()) == (IOERR, AD)


def test_of_two_that_failed_the_one_stays_that_is_read():
    """What it has carried out of the write may have been seen."""
    rig = TargetRig(TABLE)
    rig.disks[0].driver.script.append(Answer(TIMEOUT, fate=UNKNOWN))
    rig.disks[1].driver.script.append(Answer(MEDIUM, fate=NOT_SENT))
    bio = rig.client.write(0, pattern(1, 1))
    rig.world.run()
    assert (bio.status, bio.fate, rig.info()) == (TIMEOUT, UNKNOWN, AD)
    assert bio.orphan is not None
    rig.disks[0].driver.settle(PROOF_ANSWER)
    assert bio.orphan.proof == PROOF_ANSWER


@pytest.mark.parametrize("answer", [Answer(NOTSUPP), Answer(AGAIN), Answer(TRANSPORT, fate=NOT_SENT)])
def test_what_was_carried_out_nowhere_leaves_both_legs_alike(answer: Answer):
    rig = TargetRig(TABLE)
    for disk in rig.disks:
        disk.driver.script.append(answer)
    bio = rig.client.write(0, pattern(1, 1))
    rig.world.run()
    assert (bio.status, bio.fate, rig.info(), rig.device.event_nr) == (answer.status, answer.fate, AA, 0)


def test_success_on_a_leg_that_is_out_does_not_count():
    """Two writes in flight fail on different legs. The first to be known decides which leg holds the truth."""
    rig = TargetRig(TABLE)
    first, second = (disk.driver for disk in rig.disks)
    first.script.extend([Answer(IOERR), Answer()])
    second.script.extend([Answer(), Answer(MEDIUM, delay_ns=MS)])
    bios = [rig.client.write(0, pattern(1, 1)), rig.client.write(8, pattern(2, 1))]
    rig.world.run()
    assert ([bio.status for bio in bios], rig.info()) == ([OK, MEDIUM], DA)


# Reads.


def test_a_read_that_fails_is_tried_on_the_other_leg_and_fails_the_first():
    rig = TargetRig(TABLE)
    rig.client.write(0, pattern(1, 8))
    rig.world.run()
    rig.sent()
    rig.disks[0].driver.script.append(Answer(IOERR))
    read = rig.client.read(0, 4096)
    rig.world.run()
    assert (read.status, bytes(read.data or b"")) == (OK, pattern(1, 8))
    assert (rig.info(), rig.device.event_nr) == ("2 259:0 259:1 1 RA", 1)
    assert rig.sent() == [[(READ, 0, 4096)], [(READ, 0, 4096)]]


def test_a_bad_medium_does_not_fail_the_leg():
    rig = TargetRig(TABLE)
    rig.disks[0].driver.script.append(Answer(MEDIUM))
    reads = [rig.client.read(0, 4096), rig.client.read(8, 4096)]
    rig.world.run()
    assert ([bio.status for bio in reads], rig.info(), rig.device.event_nr) == ([OK, OK], AA, 0)
    assert [len(sent) for sent in rig.sent()] == [2, 1]


def test_a_read_that_both_fail_fails_neither_leg():
    rig = TargetRig(TABLE)
    rig.disks[0].driver.script.append(Answer(IOERR))
    rig.disks[1].driver.script.append(Answer(MEDIUM))
    read = rig.client.read(0, 4096)
    rig.world.run()
    assert (read.status, rig.info()) == (MEDIUM, AA)


@pytest.mark.parametrize("flags", [RAHEAD, NOWAIT])
def test_what_may_fail_is_not_tried_again(flags: int):
    rig = TargetRig(TABLE)
    rig.disks[0].driver.script.append(Answer(IOERR))
    read = rig.client.submit([Bio(READ, 0, 512, rig.client, None, flags)])[0]
    rig.world.run()
    assert (read.status, rig.info(), rig.sent()[1]) == (IOERR, AA, [])


def test_a_write_that_may_not_wait_waits_on_the_legs():
    """Else the one without a free tag would have to be failed."""
    rig = TargetRig(TABLE)
    bio = rig.client.write(0, bytes(512), NOWAIT)
    flags: list[int] = []
    queue = rig.disks[0].device.queue
    assert queue is not None
    queue.quiesce()
    rig.world.settle()
    flags += [waiting.flags for request in queue.waiting_requests() for waiting in request.bios]
    queue.unquiesce()
    rig.world.run()
    assert (flags, bio.status, rig.info()) == ([0], OK, AA)


def test_a_leg_that_failed_while_it_was_read_does_not_serve():
    """Its answer comes when another write has left it behind."""
    rig = TargetRig(TABLE)
    rig.client.write(0, pattern(1, 1))
    rig.world.run()
    first = rig.disks[0].driver
    first.default = Answer(silent=True)
    read = rig.client.read(0, 512)
    rig.world.settle()
    first.default = Answer(IOERR)
    rig.client.write(0, pattern(2, 1))
    rig.world.settle()
    assert rig.info() == DA
    first.deliver_all(Answer())
    rig.world.run()
    assert (read.status, bytes(read.data or b"")) == (OK, pattern(2, 1))


def test_reads_that_move_to_the_other_leg_wait_for_the_writes_under_way():
    """One may be on the first leg only, and was read there: it must not be gone again."""
    rig = TargetRig(TABLE)
    first, second = (disk.driver for disk in rig.disks)
    second.script.append(Answer(delay_ns=10 * MS))
    write = rig.client.write(0, pattern(5, 1))
    rig.world.settle()
    seen = rig.client.read(0, 512)
    rig.world.settle()
    assert bytes(seen.data or b"") == pattern(5, 1)
    first.default = Answer(IOERR)
    retried, later = rig.client.read(0, 512), rig.client.read(8, 512)
    rig.world.pass_time(9 * MS)
    assert not (write.finished or retried.finished or later.finished)
    rig.world.run()
    assert (write.status, bytes(retried.data or b""), later.status) == (OK, pattern(5, 1), OK)
    assert rig.info() == "2 259:0 259:1 1 RA"
    assert rig.at_rest()


def test_a_read_that_comes_after_the_move_waits_for_them_too():
    """A write has failed the first leg, while an older one is only there, and was read."""
    rig = TargetRig(TABLE)
    first, second = (disk.driver for disk in rig.disks)
    second.script.append(Answer(delay_ns=10 * MS))
    rig.client.write(0, pattern(5, 1))
    rig.world.settle()
    seen = rig.client.read(0, 512)
    rig.world.settle()
    first.default = Answer(IOERR)
    rig.client.write(8, pattern(6, 1))
    rig.world.settle()
    assert (bytes(seen.data or b""), rig.info()) == (pattern(5, 1), DA)
    read = rig.client.read(0, 512)
    rig.world.pass_time(9 * MS)
    assert not read.finished
    rig.world.run()
    assert bytes(read.data or b"") == pattern(5, 1)


def test_a_read_that_its_only_leg_gives_at_the_second_try_does_not_fail_it():
    """While it waited for the other leg, that one has failed."""
    rig = TargetRig(TABLE)
    first, second = (disk.driver for disk in rig.disks)
    second.script.append(Answer(IOERR, delay_ns=10 * MS))
    rig.client.write(0, pattern(5, 1))
    rig.world.settle()
    first.script.append(Answer(IOERR))
    read = rig.client.read(0, 512)
    rig.world.run()
    assert (read.status, bytes(read.data or b""), rig.info()) == (OK, pattern(5, 1), AD)


def test_a_read_that_is_tried_again_waits_for_them_too():
    """The leg that it could not be read from stays, but what others have read there may be nowhere else yet."""
    rig = TargetRig(TABLE)
    first, second = (disk.driver for disk in rig.disks)
    second.script.append(Answer(delay_ns=10 * MS))
    rig.client.write(0, pattern(5, 2))
    rig.world.settle()
    first.script.append(Answer(MEDIUM))
    read, other = rig.client.read(0, 512), rig.client.read(1, 512)
    rig.world.settle()
    assert (read.finished, bytes(other.data or b"")) == (False, pattern(6, 1))
    rig.world.run()
    assert (bytes(read.data or b""), rig.info()) == (pattern(5, 1), AA)


def test_a_read_that_is_tried_again_and_writes_of_its_sectors_do_not_pass_each_other():
    """On the other leg it could see what the first one does not have yet."""
    rig = TargetRig(TABLE)
    first, second = (disk.driver for disk in rig.disks)
    first.script.append(Answer(MEDIUM, delay_ns=MS))
    second.default = Answer(delay_ns=5 * MS)
    read = rig.client.read(0, 512)
    rig.world.settle()
    before = rig.client.write(0, pattern(5, 1))
    rig.world.pass_time(2 * MS)
    assert (read.finished, len(second.sent)) == (False, 1), "it waits for the write under way"
    rig.world.pass_time(4 * MS)
    assert (before.status, read.finished, second.sent[1:]) == (OK, False, [(READ, 0, 512)])
    after, beside = rig.client.write(0, pattern(6, 1)), rig.client.write(1, pattern(7, 1))
    rig.world.settle()
    assert second.sent[2:] == [(WRITE, 1, 512)], "the write waits for the read, and one beside it does not"
    rig.world.run()
    assert (read.data, after.status, beside.status) == (pattern(5, 1), OK, OK)
    assert rig.store(0) == rig.store(1)
    assert rig.at_rest()


def test_a_read_that_is_tried_again_is_forgotten_when_its_client_dies():
    rig = TargetRig(TABLE)
    first, second = (disk.driver for disk in rig.disks)
    second.script.append(Answer(delay_ns=5 * MS))
    dying = Client(rig.device)
    rig.client.write(0, pattern(5, 1))
    rig.world.settle()
    first.script.append(Answer(MEDIUM))
    dying.read(0, 512)
    rig.world.pass_time(MS)
    dying.dead = True
    rig.device.cancel_dead()
    rig.world.run()
    write = rig.client.write(0, pattern(6, 1))
    rig.world.run()
    assert write.status == OK
    assert rig.at_rest()


def test_after_a_switch_only_older_writes_are_waited_for():
    rig = TargetRig(TABLE)
    first, second = (disk.driver for disk in rig.disks)
    first.script.append(Answer(IOERR))
    rig.client.write(0, pattern(1, 1))
    rig.world.run()
    assert rig.info() == DA
    second.default = Answer(silent=True)
    rig.client.write(0, pattern(2, 1))
    rig.world.settle()
    second.default = Answer()
    read = rig.client.read(0, 512)
    rig.world.settle()
    assert bytes(read.data or b"") == pattern(1, 1)
    second.deliver_all(Answer())
    rig.world.run()
    assert rig.at_rest()


# Overlapping writes.


def test_writes_that_overlap_go_one_after_the_other():
    rig = TargetRig(TABLE)
    second = rig.disks[1].driver
    second.default = Answer(delay_ns=MS)
    client = rig.client
    client.write(0, pattern(1, 8))
    client.write(4, pattern(11, 8))
    client.discard(8, 4096)
    client.write(64, pattern(2, 1))
    rig.world.settle()
    assert rig.sent()[0] == [(WRITE, 0, 4096), (WRITE, 64, 512)]
    rig.world.pass_time(MS)
    assert rig.sent()[0] == [(WRITE, 4, 4096)]
    rig.world.pass_time(MS)
    assert rig.sent()[0] == [(DISCARD, 8, 4096)]
    rig.world.run()
    assert {bio.status for bio in client.done} == {OK}
    assert rig.store(0) == rig.store(1)


def test_one_that_waits_is_not_overtaken():
    rig = TargetRig(TABLE)
    rig.disks[1].driver.default = Answer(delay_ns=MS)
    for sector, count in ((0, 2), (1, 3), (3, 2), (4, 1), (9, 1)):
        rig.client.write(sector, pattern(sector, count))
    sent: list[list[int]] = []
    for _ in range(5):
        rig.world.pass_time(MS)
        sent.append([sector for _, sector, _ in rig.sent()[0]])
    assert sent == [[0, 9, 1], [3], [4], [], []]
    assert rig.at_rest()


def test_neighbours_do_not_wait_for_each_other():
    rig = TargetRig(TABLE)
    rig.disks[1].driver.default = Answer(delay_ns=MS)
    rig.client.submit([Bio(WRITE, sector, 1024, rig.client, bytes(1024)) for sector in (2, 6)])
    rig.world.settle()
    rig.client.write(4, bytes(1024))
    rig.world.settle()
    assert len(rig.sent()[0]) == 3


def test_a_flush_waits_for_nobody():
    rig = TargetRig(TABLE)
    rig.disks[1].driver.script.append(Answer(silent=True))
    rig.client.write(0, bytes(512))
    rig.client.write(0, bytes(512))
    flush = rig.client.flush()
    rig.world.run()
    assert flush.status == OK


def test_enough_waiting_pushes_back():
    rig = TargetRig(TABLE)
    rig.disks[1].driver.default = Answer(silent=True)
    rig.client.write(0, bytes(512))
    rig.world.settle()
    for _ in range(1024):
        assert not rig.device.congested()
        rig.client.write(0, bytes(512))
    assert rig.device.congested()
    rig.client.dead = True
    rig.device.cancel_dead()
    rig.disks[1].driver.deliver_all(Answer())
    rig.world.run()
    assert not rig.device.congested()
    assert rig.at_rest()
