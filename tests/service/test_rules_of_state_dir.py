"""What a start makes of the table that it finds: in this process, without servers."""

import asyncio
import os

import pytest

from hawser.block.ops import FLUSH, WRITE
from hawser.block.orphan import CACHE, COMMAND, PROOF_PEER_GONE, UNPROVEN
from hawser.block.queue import RequestQueue
from hawser.core.log import LogSink
from hawser.core.status import IOERR, OK
from hawser.lab.world import LIMITS, Answer, RamDriver, Store
from hawser.multipath.disk import PathDevice, SharedDisk
from hawser.paths.machine import look_around
from hawser.paths.uri import parse_path_uri
from hawser.paths.write_record import place_of
from hawser.paths.write_table import FILE_NAME, HEADER_BYTES, SESSION_BYTES, TCP, SessionFacts, WriteTable, make_table
from hawser.service.loop import Loop, own_loop
from hawser.service.start_error import StartError
from hawser.service.state_dir import StateDir

SIZE = 2048
HERE = look_around()


def facts(place: str, epoch: int, boot: str = HERE.boot, own_cache: bool = True) -> SessionFacts:
    return SessionFacts(place, TCP, epoch, boot, own_cache)


class Start:
    """`left` is what an earlier process left: sessions, with the sectors of a write or without one."""

    def __init__(self, directory: str, left: list[tuple[SessionFacts, tuple[int, int] | None]], boot: str = HERE.boot):
        name = os.path.join(directory, FILE_NAME)
        make_table(name)
        self.table = WriteTable(name)
        self.table.begin(SIZE, boot, HERE.machine)
        self.indices = []
        for session, sectors in left:
            index = self.table.add_session(session)
            self.indices.append(index)
            if sectors is not None:
                assert self.table.reserve()
                self.table.put(index, WRITE, *sectors)
        self.log = LogSink()
        self.disk = SharedDisk("d", self.log)
        self.state = StateDir(directory, self.log)

    def run(self) -> None:
        async def main() -> None:
            await self.state.open()
            self.state.recover(self.disk, SIZE, [], Loop())

        with asyncio.Runner(loop_factory=own_loop) as runner:
            runner.run(asyncio.wait_for(main(), 30))

    def fences(self) -> list[tuple[int, int, int]]:
        return sorted((orphan.kind, orphan.start, orphan.end) for orphan in self.disk.fences.orphans)

    def warnings(self, text: str) -> list[str]:
        return [line for _, line in self.log.lines if text in line]


def test_a_write_that_was_on_its_way_is_fenced_and_its_session_is_kept_until_the_proof(tmp_path):
    start = Start(str(tmp_path), [(facts("nbd://a/d", 1), (8, 16)), (facts("nbd://b/d", 1), None)])
    start.run()
    assert start.fences() == [(COMMAND, 8, 16)]
    assert len(start.warnings(": 1 writes of an earlier process were on their way")) == 1
    assert [session.place for session in start.table.sessions().values()] == ["nbd://a/d"], "the other left nothing"
    (orphan,) = start.disk.fences.orphans
    orphan.resolve(UNPROVEN)
    assert start.table.sessions() == {}
    assert start.table.slots() == []
    assert not start.table.is_clean(), "while it runs"
    start.state.close(is_idle=True)
    assert start.table.is_clean(), "what is in it is exact now"


def test_a_fence_ends_with_the_disk(tmp_path):
    start = Start(str(tmp_path), [(facts("nbd://a/d", 1), (SIZE - 4, SIZE + 4))])
    start.run()
    assert start.fences() == [(COMMAND, SIZE - 4, SIZE)]
    start.state.close(is_idle=True)


def test_after_a_loss_of_power_each_server_is_fenced_once_and_its_cache(tmp_path):
    left = [
        (facts("nbd://a/d", 1, "an earlier boot"), (8, 16)),
        (facts("nbd://a/d", 2, "an earlier boot"), None),
        (facts("nbd://b/d", 1, "an earlier boot", own_cache=False), None),
    ]
    start = Start(str(tmp_path), left, boot="an earlier boot")
    start.run()
    assert start.fences() == [(COMMAND, 0, SIZE)] * 2 + [(CACHE, 0, SIZE)]
    assert start.warnings("the whole disk is fenced")
    first, second, third = start.indices
    assert [start.table.is_dirty(index) for index in (first, second, third)] == [True, False, False]
    for orphan in list(start.disk.fences.orphans):
        orphan.resolve(PROOF_PEER_GONE)
    assert start.table.sessions() == {}
    start.state.close(is_idle=True)


@pytest.mark.parametrize(("mode", "warned"), [(0o700, 0), (0o755, 0), (0o775, 1), (0o757, 1)])
def test_a_directory_that_others_may_write_to_is_said(tmp_path, mode: int, warned: int):
    start = Start(str(tmp_path), [])
    tmp_path.chmod(mode)
    start.run()
    assert len(start.warnings("others may write to it")) == warned
    start.state.close(is_idle=True)


@pytest.mark.parametrize("answers", [[OK], [IOERR, OK]])
def test_a_cache_that_was_left_dirty_is_flushed_until_that_succeeds_and_only_then_does_the_start_go_on(
    tmp_path, answers
):
    uri = parse_path_uri("nbd://127.0.0.1:1/d")
    start = Start(str(tmp_path), [(facts(place_of(uri), 1), None)])
    start.table.set_dirty(start.indices[0], True)
    sent: list[int] = []

    async def main() -> None:
        loop = Loop()
        driver = RamDriver("p0", Store(SIZE * 512), loop.turn, loop.timers)
        driver.script.extend(Answer(status) for status in answers)
        queue = RequestQueue("p0", driver, LIMITS, loop.turn, loop.timers, 8)
        device = PathDevice("p0", "259:0", SIZE, queue, loop.turn, start.disk, "path")
        await start.state.open()
        loop.run(lambda: start.state.recover(start.disk, SIZE, [uri], loop))
        assert start.fences() == [(CACHE, 0, SIZE)]
        await asyncio.wait_for(start.state.settle_caches([device], [uri], loop), 20)
        sent.extend(op for op, _, _ in driver.sent)

    with asyncio.Runner(loop_factory=own_loop) as runner:
        runner.run(asyncio.wait_for(main(), 30))
    assert sent == [FLUSH] * len(answers)
    assert start.fences() == []
    assert start.table.sessions() == {}
    assert start.warnings("flushing first")
    assert len(start.warnings("acknowledged writes may be lost")) == len(answers) - 1
    start.state.close(is_idle=True)


@pytest.mark.parametrize("what", ["a slot of no session", "a session that is not whole"])
def test_a_table_whose_sessions_are_damaged_is_refused(tmp_path, what: str):
    start = Start(str(tmp_path), [(facts("nbd://a/d", 1), (8, 16)), (facts("nbd://b/d", 1), None)])
    if what == "a slot of no session":
        start.table.drop_session(start.indices[0])
    else:
        start.table._words[(HEADER_BYTES + start.indices[1] * SESSION_BYTES) // 8] ^= 1 << 40
    with pytest.raises(StartError, match="its sessions are damaged"):
        start.run()
    assert start.fences() == []
    start.state.close(is_idle=True)
