"""StateDir: what this gateway must find again if it is killed. `hawser serve --state-dir DIR`.

    DIR/lock          locked as long as the process runs, or a system call of it is under way (hawser.paths.disk_lock)
    DIR/writes.table  writes of unknown fate and dirty caches (hawser.paths.write_table)
    DIR/witness.json  after a clean end: the last acknowledged writes (hawser.service.witness_file)

At a start each write that an earlier process had on its way becomes an orphan in the disk's fences, before any client is served,
and is resolved by the proofs of hawser.paths.recovered. Nothing is copied: their slots stay where they are until then, so that a
start that is killed in its turn loses none. A cache that was left dirty has to be flushed, or its server's end proved, before the
disk is so much as read through another path; a start waits for that.

Within one boot, and after a clean end, the table is exact. After a loss of power it is not: every server that is reached over TCP
may then execute anything of what it was sent, and the whole disk is fenced. Servers on this machine have ended with it.

What cannot be trusted is refused (StartError): a damaged table, one of another disk's size or another machine's with something
left in it.
"""

import asyncio
import os
from functools import partial
from time import monotonic
from typing import Final

from hawser.block.bio import Bio, BioOwner
from hawser.block.ops import FLUSH, WRITE
from hawser.block.orphan import CACHE, PROOF_FLUSHED, PROOF_PEER_GONE, Orphan
from hawser.core.log import LogSink
from hawser.core.status import OK, status_name
from hawser.multipath.disk import PathDevice, SharedDisk
from hawser.paths.disk_lock import LockedError, NoLocksError, lock
from hawser.paths.machine import Here, look_around
from hawser.paths.nbd import NbdDriver
from hawser.paths.recovered import Recovered
from hawser.paths.uri import PathUri
from hawser.paths.write_record import (
    DirtRecord,
    Held,
    PathRecorder,
    SlotRecord,
    is_same_process,
    kind_of,
    path_facts,
    place_of,
)
from hawser.paths.write_table import FILE_NAME, TCP, SessionFacts, Slot, WriteTable, WriteTableError, make_table
from hawser.service.loop import Loop
from hawser.service.patience import patiently
from hawser.service.start_error import StartError
from hawser.service.witness_file import FILE_NAME as WITNESS_NAME
from hawser.service.witness_file import WitnessFile, WitnessFileError

LOCK_NAME: Final = "lock"
POLL_SECONDS: Final = 0.05
# After a flush that failed, so long until the next.
RETRY_SECONDS: Final = 1.0
_OTHERS_MAY_WRITE: Final = 0o022


class _LeftCache(BioOwner):
    """A cache that an earlier process left dirty: flushed through the path that leads there, if that is to be had."""

    def __init__(self, facts: SessionFacts, orphan: Orphan, log: LogSink) -> None:
        super().__init__()
        self.facts = facts
        self.orphan = orphan
        self.log = log
        self._is_flushing = False
        self._not_before = 0.0
        self._said = ""

    def try_flush(self, device: PathDevice) -> None:
        driver = device.requests.driver
        if self._is_flushing or monotonic() < self._not_before or driver.trouble():
            return
        if isinstance(driver, NbdDriver) and driver.recorder is not None:
            if not is_same_process(self.facts, driver.recorder.server()):
                # The one that has the cache lives, and another one answers here.
                return
        self._is_flushing = True
        device.submit_alone(Bio(FLUSH, 0, 0, self))

    def bio_done(self, bio: Bio) -> None:
        self._is_flushing = False
        self._not_before = monotonic() + RETRY_SECONDS
        if bio.status == OK:
            self.orphan.resolve(PROOF_FLUSHED)
            return
        problem = f"{self.facts.place}: {status_name(bio.status)} error for the flush of what an earlier process wrote"
        if problem != self._said:
            self._said = problem
            self.log.error(f"{problem}; acknowledged writes may be lost")


class StateDir:
    """`open` first; `recorder` for each path before it connects; `recover` when the disk's size is known, before any client's
    I/O; then `settle_caches`; `close` at the end."""

    def __init__(self, directory: str, log: LogSink) -> None:
        self.directory = directory
        self.log = log
        self.here = Here("", "", 0, 0)
        self.recovered: list[Recovered] = []
        self._lock_fd = -1
        self._witness = WitnessFile(directory)
        self._table: WriteTable | None = None
        self._has_begun = False
        self._recorders: list[PathRecorder] = []
        self._caches: list[_LeftCache] = []
        # What was in the table before this process.
        self._is_exact = True
        self._is_clean = True
        self._sessions: dict[int, SessionFacts] = {}
        self._slots: list[Slot] = []

    def _error(self, problem: str) -> StartError:
        return StartError(f"state directory {self.directory}: {problem}")

    async def open(self) -> None:
        """Make it if need be, lock it, read what an earlier process left."""
        try:
            self._make()
            await self._lock()
            self._read()
        except OSError as error:
            raise self._error(error.strerror or str(error)) from None

    def _make(self) -> None:
        try:
            os.mkdir(self.directory, 0o700)
        except FileExistsError:
            if os.stat(self.directory).st_mode & _OTHERS_MAY_WRITE:
                self.log.warning(f"state directory {self.directory}: others may write to it")

    async def _lock(self) -> None:
        name = os.path.join(self.directory, LOCK_NAME)
        self._lock_fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await patiently(
                lambda: lock(self._lock_fd, is_shared=False),
                lambda told: self.log.info(f"state directory {self.directory}: {told}"),
            )
        except LockedError as error:
            raise self._error(f"{error} has it locked: one gateway for one disk") from None
        except NoLocksError as error:
            raise self._error(f"its file system has no locks ({error}): put it on another one") from None

    def _read(self) -> None:
        self.here = look_around()
        name = os.path.join(self.directory, FILE_NAME)
        if not os.path.exists(name):
            make_table(name)
        try:
            table = WriteTable(name)
            self._is_clean = table.is_clean()
            self._is_exact = self._is_clean or table.boot() == self.here.boot
            self._sessions = table.sessions()
            if self._is_exact:
                self._slots = table.slots()
                broken = table.broken_sessions()
                lost = [slot.number for slot in self._slots if slot.session not in self._sessions]
                if broken or lost:
                    raise WriteTableError("its sessions are damaged")
        except WriteTableError as problem:
            raise self._untrusted(f"{FILE_NAME} cannot be used: {problem}") from None
        self._table = table

    def _untrusted(self, problem: str) -> StartError:
        return self._error(
            f"{problem}. Remove it when you know that nothing of what an earlier process sent can reach the disk any more"
        )

    def recorder(self, uri: PathUri) -> PathRecorder | None:
        """Who records what this path does; nobody where there is nothing to record."""
        assert self._table is not None
        if not kind_of(uri):
            return None
        recorder = PathRecorder(self._table, uri, self.here)
        self._recorders.append(recorder)
        if self._has_begun:
            self._record_path(self._table, recorder)
        return recorder

    def forget(self, recorder: PathRecorder) -> None:
        """A path is none any more. What it may still do stays written down."""
        self._recorders.remove(recorder)
        if recorder.path is not None:
            recorder.path.ended()

    # What an earlier process left.

    def recover(self, disk: SharedDisk, size_sectors: int, uris: list[PathUri], loop: Loop) -> None:
        """Fence what may still come, and begin to record for a disk of that size. Runs within a turn."""
        table = self._table
        assert table is not None
        self._check_disk(table, size_sectors)
        try:
            if not self._is_exact:
                self._fence_all(table, size_sectors)
                table.sync()
            self._record_paths(table)
            table.begin(size_sectors, self.here.boot, self.here.machine)
        except OSError as error:
            raise self._error(error.strerror or str(error)) from None
        self._has_begun = True
        declared = {place_of(uri): uri for uri in uris}
        left = 0
        for index, facts in self._sessions.items():
            held = Held(table, index, facts)
            held.is_open = False
            slots = [slot for slot in self._slots if slot.session == index]
            held.writes = len(slots)
            left += len(slots)
            held.drop_if_settled()
            if not held.is_dropped:
                self._take_over(held, slots, disk, size_sectors, declared.get(facts.place), loop)
        if left:
            self.log.warning(f"{disk.name}: {left} writes of an earlier process were on their way when it ended")

    # The last acknowledged writes.

    def remember(self, disk: SharedDisk) -> bool:
        """Have `disk` know what was written last before a clean end. Whether there is any such thing. StartError."""
        try:
            # (Nor is anything left after a crash of a process that had not come to serve anybody.)
            found = self._witness.read() if self._is_clean else []
            digester = self._witness.digester()
        except OSError as error:
            raise self._error(error.strerror or str(error)) from None
        except WitnessFileError as problem:
            raise self._error(
                f"{WITNESS_NAME}: {problem}. Remove it when you know that every path leads to the right disk"
            ) from None
        found = [each for each in found if each.end <= disk.paths[0].size_sectors]
        disk.witness.remember(found, digester)
        return len(found) > 0

    def may_change(self) -> None:
        """From now on clients may write: after a crash nothing of what was handed over is to count. StartError."""
        try:
            self._witness.remove()
        except OSError as error:
            raise self._error(error.strerror or str(error)) from None

    def hand_over(self, disk: SharedDisk, size_sectors: int) -> None:
        """A clean end: nothing is written any more, and what was written has been flushed."""
        try:
            self._witness.hand_over(disk, size_sectors)
        except (OSError, WitnessFileError) as error:
            self.log.error(f"state directory {self.directory}: {WITNESS_NAME}: {error}")

    def resize(self, size_sectors: int) -> None:
        """The disk that is served has another size now. StartError says why that cannot be written down."""
        if self._table is not None and self._has_begun:
            try:
                self._table.resize(size_sectors)
            except OSError as error:
                raise self._error(error.strerror or str(error)) from None

    def _check_disk(self, table: WriteTable, size_sectors: int) -> None:
        is_empty = self._is_exact and not self._slots and not any(table.is_dirty(index) for index in self._sessions)
        if is_empty:
            return
        before = table.size_sectors()
        if before != size_sectors:
            raise self._untrusted(f"it is of a disk of {before} sectors, not {size_sectors}, and has unfinished writes")
        if table.machine() != self.here.machine and table.machine() and self.here.machine:
            raise self._untrusted("it was written on another machine, and has unfinished writes")

    def _fence_all(self, table: WriteTable, size_sectors: int) -> None:
        """After a loss of power: the whole disk, once for each place that may still execute something, and its cache."""
        table.clear_all()
        self._slots = []
        fenced: dict[str, int] = {}
        for index, facts in self._sessions.items():
            may_come = facts.kind == TCP
            if may_come and facts.place not in fenced and table.reserve():
                fenced[facts.place] = index
                slot = table.put(index, WRITE, 0, size_sectors)
                self._slots.append(Slot(slot, index, WRITE, 0, size_sectors))
            is_first = fenced.get(facts.place) == index
            table.set_dirty(index, may_come and is_first and facts.own_cache)
        if fenced:
            self.log.warning(
                f"state directory {self.directory}: not closed before this machine was started anew: what was on its way is not "
                "known, the whole disk is fenced"
            )

    def _record_paths(self, table: WriteTable) -> None:
        for recorder in self._recorders:
            self._record_path(table, recorder)

    def _record_path(self, table: WriteTable, recorder: PathRecorder) -> None:
        if not table.has_room_for_session():
            raise self._error("there is no room for its paths in the table of writes")
        facts = path_facts(recorder.uri, self.here)
        recorder.path = Held(table, table.add_session(facts), facts)

    def _take_over(
        self, held: Held, slots: list[Slot], disk: SharedDisk, size_sectors: int, uri: PathUri | None, loop: Loop
    ) -> None:
        facts = held.facts
        orphans: list[Orphan] = []
        for slot in slots:
            orphan = Orphan(facts.place, facts.epoch, slot.op, slot.start, min(slot.end, size_sectors), 1, None)
            orphan.record = SlotRecord(held, slot.number)
            orphans.append(orphan)
        if held.is_dirty:
            orphan = Orphan(facts.place, facts.epoch, WRITE, 0, size_sectors, 1, None)
            orphan.kind = CACHE
            orphan.record = DirtRecord(held)
            orphans.append(orphan)
            self._caches.append(_LeftCache(facts, orphan, self.log))
        for orphan in orphans:
            disk.fences.add(orphan)
        quiesce_ns = uri.quiesce_ns if uri is not None and uri.quiesce_ns is not None else facts.quiesce_ns
        recovered = Recovered(facts, orphans, quiesce_ns, loop, loop.timers, self.log)
        self.recovered.append(recovered)
        recovered.begin(self.here)

    async def settle_caches(self, devices: list[PathDevice], uris: list[PathUri], loop: Loop) -> None:
        """Until no cache of an earlier process's is dirty any more: all I/O would have to wait for that. `uris` are the
        devices'."""
        by_place = {place_of(uri): device for uri, device in zip(uris, devices, strict=True)}
        said = False
        while True:
            self._caches = [cache for cache in self._caches if not self._is_settled(cache)]
            if not self._caches:
                return
            if not said:
                said = True
                places = ", ".join(sorted({cache.facts.place for cache in self._caches}))
                self.log.warning(
                    f"an earlier process left acknowledged writes unflushed in caches of {places}: flushing first"
                )
            for cache in self._caches:
                device = by_place.get(cache.facts.place)
                if device is not None:
                    loop.run(partial(cache.try_flush, device))
            await asyncio.sleep(POLL_SECONDS)

    def _is_settled(self, cache: _LeftCache) -> bool:
        proof = cache.orphan.proof
        if proof == PROOF_PEER_GONE:
            self.log.error(f"{cache.facts.place} is gone with writes that were acknowledged and not flushed")
        return proof != ""

    # The end.

    def close(self, is_idle: bool) -> None:
        """Nothing is sent any more: what is left in the table is exact. `is_idle`: no system call is under way, and the next one
        may have the lock before this process has ended."""
        for recovered in self.recovered:
            recovered.close()
        if self._has_begun and self._table is not None:
            try:
                self._table.end()
            except OSError as error:
                # It stays marked as not clean.
                self.log.error(f"state directory {self.directory}: {error.strerror or error}")
        if self._lock_fd >= 0 and is_idle:
            os.close(self._lock_fd)
        self._lock_fd = -1
