"""The shipped switch that turns the fences off: orphans are recorded, nothing waits, and it is said."""

import asyncio

from hawser.block.ops import READ, WRITE
from hawser.block.orphan import PROOF_ANSWER, Orphan
from hawser.core.log import ERR, LogSink
from hawser.exports.listen_uri import parse_listen_uri
from hawser.multipath.disk import SharedDisk
from hawser.multipath.fence import must_withhold
from hawser.paths.uri import parse_path_uri
from hawser.service.gateway import Gateway
from hawser.service.options import ServeOptions


def make_orphan() -> Orphan:
    return Orphan("A", 1, WRITE, 0, 8, 1, None)


def test_with_fences_an_orphan_blocks_what_overlaps_it():
    disk = SharedDisk("d", LogSink())
    disk.fences.add(make_orphan())
    assert disk.fences.active
    assert disk.fences.blocks(WRITE, 7, 9, None)


def test_without_fences_nothing_waits_and_that_is_said_once():
    log = LogSink()
    disk = SharedDisk("d", log)
    disk.fences.enabled = False
    first, second = make_orphan(), make_orphan()
    disk.fences.add(first)
    disk.fences.add(second)
    assert disk.fences.orphans == [first, second]
    assert not disk.fences.active
    assert not disk.fences.blocks(WRITE, 0, 8, None)
    assert not must_withhold([first, second])
    assert list(log.lines) == [(ERR, "d: fences are off: data may be lost or corrupted")]
    first.resolve(PROOF_ANSWER)
    assert disk.fences.orphans == [second]
    assert not disk.fences.active


def test_reads_that_pass_on_account_of_a_copy_wait_again_when_that_may_be_lost():
    disk = SharedDisk("d", LogSink())
    orphan = make_orphan()
    disk.fences.add(orphan)
    orphan.bio_ended(True)
    assert not disk.fences.blocks(READ, 0, 8, None)
    disk.cast_doubt("a server died")
    assert disk.fences.blocks(READ, 0, 8, None)
    orphan.resolve(PROOF_ANSWER)
    assert not disk.fences.blocks(READ, 0, 8, None)


def test_serve_can_turn_them_off():
    paths, listen = [parse_path_uri("ram:?size=1M")], [parse_listen_uri("nbd+unix:///d?socket=/tmp/none.sock", False)]

    async def enabled(options: ServeOptions) -> bool:
        return Gateway(options, LogSink()).disk.fences.enabled

    assert asyncio.run(enabled(ServeOptions(paths, listen)))
    assert not asyncio.run(enabled(ServeOptions(paths, listen, unsafe_no_fence=True)))
