"""dust: bad blocks are listed by messages and healed by writes; replies, log lines and status are those of Linux 6.12."""

import pytest
from tests.dm.controls import load, suspend
from tests.dm.targets.rigs import TargetRig, pattern

from hawser.block.ops import READ, WRITE
from hawser.core.status import IOERR, NOTSUPP, OK
from hawser.dm.target import MessageError, TableError
from hawser.lab.world import Client

TABLE = "0 1024 dust 259:0 0 512"

REFUSED = [
    ("", "Invalid argument count"),
    ("259:0 0", "Invalid argument count"),
    ("259:0 0 512 1", "Invalid argument count"),
    ("259:0 0 x", "Invalid block size parameter"),
    ("259:0 0 0", "Invalid block size parameter"),
    ("259:0 0 4294967808", "Invalid block size parameter"),
    ("259:0 0 256", "Block size must be at least 512"),
    ("259:0 0 511", "Block size must be at least 512"),
    ("259:0 0 1000", "Block size must be a power of 2"),
    ("259:0 0 1048576", "Block size is too large"),
    ("259:0 0 2147483648", "Block size is too large"),
    ("259:0 x 512", "Invalid device offset sector"),
    # Whatever the look-up says, the errno is this one.
    ("nosuch 0 512", "Device lookup failed"),
    ("250:0 0 512", "Device lookup failed"),
]


@pytest.mark.parametrize(("words", "error"), REFUSED)
def test_refused_with_the_kernels_words(words: str, error: str):
    with pytest.raises(TableError) as caught:
        TargetRig(f"0 1024 dust {words}")
    assert str(caught.value) == f"254:0: dust: {error} (-EINVAL)"
    assert caught.value.errno_name == "EINVAL"


class Dust(TargetRig):
    def say(self, text: str) -> str:
        """The reply of a message, or what the kernel logs when it is refused, after a dash."""
        try:
            return self.device.message(0, text.split())
        except MessageError as error:
            return f"- {error}" if error.errno_name == "EINVAL" else f"{error.errno_name} {error}"

    def logged(self) -> list[str]:
        lines = [line for _, line in self.world.log.lines]
        self.world.log.lines.clear()
        return lines

    def do(self, op: int, sector: int, count: int = 1) -> int:
        size = count * 512
        bio = self.client.read(sector, size) if op == READ else self.client.write(sector, pattern(sector, count))
        self.world.run()
        return bio.status


# A dialogue with Linux 6.12: what is said, the reply (or "- " and what it logs as an error), and what it logs besides.
DIALOGUE = [
    ("addbadblock", "- addbadblock requires an additional argument", ""),
    ("RemoveBadBlock", "- RemoveBadBlock requires an additional argument", ""),
    ("queryblock", "- queryblock requires an additional argument", ""),
    ("bogus", "- unrecognized message 'bogus' received", ""),
    ("addbadblock x", "- ", ""),
    ("addbadblock 60", "", "dust_add_block: badblock added at block 60 with write fail count 0"),
    ("addbadblock 60", "- dust_add_block: block 60 already in badblocklist", ""),
    ("queryblock 60", "dust_query_block: block 60 found in badblocklist", ""),
    ("QueryBlock 61", "dust_query_block: block 61 not found in badblocklist", ""),
    ("removebadblock 61", "- dust_remove_block: block 61 not found in badblocklist", ""),
    # One beyond the end of the disk, as in the kernel.
    ("addbadblock 2048", "", "dust_add_block: badblock added at block 2048 with write fail count 0"),
    ("addbadblock 2049", "- selected block value out of range", ""),
    ("addbadblock 1 2", "", "dust_add_block: badblock added at block 1 with write fail count 2"),
    ("addbadblock 2 256", "- selected write fail count out of range", ""),
    ("addbadblock 2 x", "- ", ""),
    ("removebadblock 1 2", "- unrecognized message 'removebadblock' received", ""),
    ("bogus 1", "- unrecognized message 'bogus' received", ""),
    ("bogus 1 2", "- unrecognized message 'bogus' received", ""),
    ("a b c d", "- invalid number of arguments '4'", ""),
    ("countbadblocks", "countbadblocks: 3 badblock(s) found", ""),
    ("listbadblocks", "1\n60\n2048\n", ""),
    ("disable", "", "disabling read failures on bad sectors"),
    ("enable", "", "enabling read failures on bad sectors"),
    ("removebadblock 1", "", "dust_remove_block: badblock removed at block 1"),
    ("clearbadblocks", "dust_clear_badblocks: badblocks cleared", ""),
    ("clearbadblocks", "dust_clear_badblocks: no badblocks found", ""),
    ("listbadblocks", "No blocks in badblocklist", ""),
    ("quiet", "", ""),
    ("removebadblock 99", "- dust_remove_block: block 99 not found in badblocklist", None),
    ("addbadblock 7", "", ""),
    ("addbadblock 7", "- dust_add_block: block 7 already in badblocklist", None),
    ("removebadblock 7", "", ""),
]


def test_a_dialogue():
    rig = Dust(TABLE)
    for text, reply, line in DIALOGUE:
        assert rig.say(text) == reply
        logged = [f"dust: {reply[2:]}"] if reply.startswith("- ") and reply != "- " and line is not None else []
        assert rig.logged() == logged + ([f"dust: {line}"] if line else []), text


def test_table_and_status():
    rig = Dust(TABLE)
    assert rig.target().status_table() == "259:0 0 512"
    assert rig.info() == "259:0 bypass verbose"
    rig.say("enable")
    rig.say("quiet")
    assert rig.info() == "259:0 fail_read_on_bad_block quiet"
    rig.say("quiet")
    assert rig.info() == "259:0 fail_read_on_bad_block verbose"


def test_bad_blocks_count_only_when_enabled():
    rig = Dust(TABLE)
    rig.say("addbadblock 60")
    assert rig.do(READ, 60) == OK
    rig.say("enable")
    assert (rig.do(READ, 60), rig.do(READ, 61), rig.do(READ, 56, 8)) == (IOERR, OK, IOERR)
    rig.say("disable")
    assert rig.do(READ, 60) == OK
    assert rig.do(WRITE, 60) == OK
    assert rig.say("countbadblocks") == "countbadblocks: 1 badblock(s) found"


def test_a_write_heals_after_as_many_failures_as_were_asked_for():
    rig = Dust(TABLE)
    rig.say("enable")
    rig.say("addbadblock 1 2")
    rig.logged()
    assert [rig.do(WRITE, 1) for _ in range(4)] == [IOERR, IOERR, OK, OK]
    assert rig.do(READ, 1) == OK
    assert rig.logged() == ["dust: block 1 removed from badblocklist by write"]


def test_io_is_cut_at_blocks_so_that_each_is_looked_at():
    rig = Dust(TABLE)
    rig.say("enable")
    rig.say("addbadblock 5 1")
    rig.keep_apart()
    assert rig.do(WRITE, 2, 8) == IOERR
    assert rig.sent()[0] == [(WRITE, sector, 512) for sector in (2, 3, 4, 6, 7, 8, 9)]
    assert rig.do(WRITE, 2, 8) == OK
    assert rig.say("listbadblocks") == "No blocks in badblocklist"


def test_blocks_are_the_disks():
    """Block 2 of 4 KiB is sector 0 of a device that begins at sector 16. The log divides once too often, as Linux does."""
    rig = Dust("0 512 dust 259:0 16 4096")
    rig.say("enable")
    rig.say("addbadblock 2")
    rig.say("addbadblock 3")
    rig.logged()
    assert (rig.do(READ, 7), rig.do(READ, 8), rig.do(READ, 16)) == (IOERR, IOERR, OK)
    assert rig.do(WRITE, 0, 16) == OK
    assert rig.logged() == ["dust: block 0 removed from badblocklist by write"] * 2


def test_a_flush_counts_as_a_write_to_the_first_block():
    """Oracle: it heals block 0."""
    rig = Dust(TABLE)
    rig.say("enable")
    rig.say("addbadblock 0")
    rig.say("addbadblock 5")
    rig.client.flush()
    rig.world.run()
    assert rig.say("listbadblocks") == "5\n"
    second = Dust("0 8 zero\n8 1016 dust 259:0 8 512")
    second.device.message(8, ["enable"])
    second.device.message(8, ["addbadblock", "8"])
    second.client.flush()
    second.world.run()
    assert second.device.message(8, ["listbadblocks"]) == "8\n"


def test_a_discard_looks_at_its_first_block_only():
    rig = Dust(TABLE)
    rig.say("enable")
    rig.say("addbadblock 0")
    rig.say("addbadblock 5")
    rig.client.discard(0, 8 * 512)
    rig.world.run()
    assert rig.say("listbadblocks") == "5\n"
    assert rig.client.done[-1].status == OK


def test_write_zeroes_are_not_offered():
    rig = Dust(TABLE)
    rig.client.write_zeroes(0, 4096)
    rig.world.run()
    assert (rig.client.done[0].status, rig.device.limits.max_write_zeroes_sectors) == (NOTSUPP, 0)


def test_the_list_lives_as_long_as_the_table():
    rig = Dust(TABLE)
    rig.say("addbadblock 5")
    suspend(rig.world, rig.device)
    assert rig.say("countbadblocks") == "countbadblocks: 1 badblock(s) found"
    rig.device.resume()
    assert rig.say("countbadblocks") == "countbadblocks: 1 badblock(s) found"
    load(rig.world, rig.device, TABLE)
    suspend(rig.world, rig.device)
    rig.device.resume()
    assert rig.say("countbadblocks") == "countbadblocks: 0 badblock(s) found"


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_multipath_over_a_bad_block_tries_the_other_path(mode: str):
    """Request-based multipath cannot stand on it; a request-based one below it can."""
    rig = Dust("0 1024 dust 259:0 0 512", 1)
    world = rig.world
    if mode == "bio":
        world.mapped("lin", "0 1024 linear 259:0 0")
        top = world.mapped("top", "0 1024 multipath 2 queue_mode bio 0 1 1 round-robin 0 2 0 dev lin")
    else:
        world.mapped("mp", "0 1024 multipath 0 0 1 1 round-robin 0 1 0 259:0")
        top = world.mapped("top", "0 1024 dust mp 0 512")
        rig.device = top
    rig.say("enable")
    rig.say("addbadblock 3")
    client = Client(top)
    read = client.read(0, 4096)
    world.run()
    assert read.status == (OK if mode == "bio" else IOERR)
    assert top.idle()
