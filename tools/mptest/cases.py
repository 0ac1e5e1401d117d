"""The cases: what is done to the paths, and what has to be seen of it at each step. Anything else is an AssertionError.

A case is a number of rounds, at least `ROUNDS_MIN`, until the time is over. Linux: the state machine of drivers/md/dm-mpath.c.
"""

from __future__ import annotations

import time

from tests.support.multipath_status import MultipathStatus
from tools.mptest.rig import PATHS, Rig

# One at a time, nothing is in flight, and they take turns. Where nobody else writes.
TURNS = 200
TURNS_OFFSET = 4 << 20
BLOCK = 4096
ALL = range(PATHS)
GROUP_2 = (2, 3)


class Case:
    ROUNDS_MIN = 1
    # Whether it takes paths away: then I/O stands still meanwhile, and goes on soon after.
    HAS_OUTAGES = True
    # Whether nothing else can fail a path.
    IS_EXACT = True

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.pause_s = rig.variant.pause_s
        # How often each path has been failed here.
        self.failed = 0

    def round(self, number: int) -> None:
        raise NotImplementedError

    def check(self) -> None:
        """When all rounds are over, and I/O goes on."""

    def assert_whole(self, status: MultipathStatus, letters: tuple[str, ...] = ("AE",)) -> None:
        """All paths work, none has failed but by what was done here, and nothing waits."""
        assert status.states() == "AAAA", status
        self._assert_failures(status)
        assert status.letters() in letters, f"groups are {status.letters()}, not {letters}"
        assert status.group == 1 + status.letters().index("A")
        assert (status.queue_io, status.pg_init_count) == (0, 0), status

    def assert_none(self) -> None:
        """All paths have failed once more, and no group is in use as soon as an I/O has found that out."""
        self.failed += 1
        none = self.rig.wait_for_status(lambda status: status.letters() == "EE", "no group is in use")
        assert none.states() == "FFFF", none
        self._assert_failures(none)
        assert (none.queue_io, none.group) == (0, 1), none

    def _assert_failures(self, status: MultipathStatus) -> None:
        counts = status.failures()
        assert min(counts) >= self.failed, f"fail counts {counts}, each path has failed {self.failed} times"
        assert max(counts) == self.failed or not self.IS_EXACT, f"fail counts {counts}, not {self.failed}"


class NoFailure(Case):
    """M-00. Group 1 carries all, each path half of it (tools.mptest.trial judges that); nothing happens."""

    HAS_OUTAGES = False

    def round(self, number: int) -> None:
        self.rig.tell("all is well")
        time.sleep(self.pause_s)
        self.assert_whole(self.rig.status())

    def check(self) -> None:
        rig = self.rig
        carried = rig.counts().since(rig.begun)
        assert carried[2:] == (0, 0), f"group 2 is not in use, and the paths carried {carried}"
        self._take_turns()
        assert rig.events() == 0

    def _take_turns(self) -> None:
        rig = self.rig
        rig.wait_for_fio()
        rig.load.stop()
        before = rig.counts()
        with rig.gateway.client() as client:
            for turn in range(TURNS):
                client.write(TURNS_OFFSET + turn * BLOCK, bytes(BLOCK))
        carried = rig.counts().since(before)
        assert carried == (TURNS // 2, TURNS // 2, 0, 0), f"one at a time the paths carried {carried}"
        rig.load.start()


class Offline(Case):
    """M-01. All servers stand still, are killed, and started again: every other time so soon that nothing has timed out."""

    ROUNDS_MIN = 2
    # On a busy machine something may time out that was not meant to.
    IS_EXACT = False

    def round(self, number: int) -> None:
        rig = self.rig
        began = time.monotonic()
        rig.tell("servers stopped")
        for server in rig.servers:
            server.freeze()
        if number % 2:
            rig.wait_for_status(lambda status: status.states() == "FFFF", "stopped servers' paths fail by a timeout")
        else:
            time.sleep(self.pause_s / 3)
        rig.tell("servers killed")
        rig.kill_all()
        self.assert_none()
        rig.stay_still(self.pause_s)
        mark = rig.log_bytes()
        rig.start_all()
        rig.outage(began, mark)
        # No group that has a path is left: it is the one whose path came first.
        whole = rig.wait_for_status(lambda status: status.states() == "AAAA", "all paths are back")
        self.assert_whole(whole, ("AE", "EA"))
        rig.tell("all paths are back")
        rig.load.wait_for_progress()
        time.sleep(self.pause_s / 2)


class Delete(Case):
    """M-02. Paths go, and come back by a noflush reload, in three ways: their servers die, and the new table comes when the old
    one has none left, as in mptest; the table itself is reloaded without any; without those of group 1."""

    ROUNDS_MIN = 3

    def round(self, number: int) -> None:
        before = self.rig.counts().ios
        events = self.rig.events()
        (self._under_the_table, self._out_of_the_table, self._one_group)[number % 3]()
        whole = self.rig.wait_for_status(lambda status: status.states() == "AAAA", "all paths are back")
        assert max(whole.failures()) <= 1, whole
        assert sorted(whole.letters()) == ["A", "E"], whole
        self.rig.load.wait_for_progress()
        # The device is the same, and so are its counters.
        assert self.rig.counts().ios > before and self.rig.events() > events

    def _under_the_table(self) -> None:
        rig = self.rig
        began = time.monotonic()
        rig.tell("servers killed")
        rig.kill_all()
        none = rig.wait_for_status(lambda status: status.letters() == "EE", "no group is in use")
        assert none.states() == "FFFF", none
        rig.stay_still(self.pause_s / 2)
        mark = rig.log_bytes()
        resumed = rig.swap(rig.table_of(ALL), meanwhile=rig.start_all)
        rig.outage(began, mark, resumed)

    def _out_of_the_table(self) -> None:
        rig = self.rig
        began = time.monotonic()
        rig.tell("a table without paths")
        rig.swap(rig.table_of(()))
        assert rig.status().groups == () and rig.status().group == 0
        assert rig.gateway.dm("table") == f"mpatha: {self._as_printed(())}\n"
        rig.kill_all()
        rig.start_all()
        rig.stay_still(self.pause_s / 2)
        mark = rig.log_bytes()
        resumed = rig.swap(rig.table_of(ALL))
        rig.outage(began, mark, resumed)

    def _one_group(self) -> None:
        rig = self.rig
        rig.tell("a table of group 2 alone")
        rig.swap(rig.table_of(GROUP_2))
        status = rig.wait_for_status(lambda status: status.letters() == "A", "the group is in use")
        assert [path.number for path in status.paths()] == ["259:2", "259:3"] and "A" in status.states()
        rig.stay_in_group(2, self.pause_s / 2)
        for server in rig.servers[:2]:
            server.restart()
        assert status.failures() == rig.status().failures(), "what is no path any more fails nothing"
        rig.swap(rig.table_of(ALL))

    def check(self) -> None:
        """The type of the device is fixed."""
        rig = self.rig
        other = "rq" if rig.variant.mode == "bio" else "bio"
        table = rig.table_of(ALL)
        reply = rig.load_table(table.replace(f"queue_mode {rig.variant.mode}", f"queue_mode {other}"))
        assert not reply.ok and "can't change device type" in reply.err, reply
        assert rig.gateway.dm("table") == f"mpatha: {self._as_printed(ALL)}\n"

    def _as_printed(self, paths: range | tuple[int, ...]) -> str:
        """A table as the kernel prints it, with the group that is in use now; rq is not mentioned, nor is mq."""
        table = self.rig.table_of(paths, self.rig.status().group)
        if self.rig.variant.mode != "bio":
            table = table.replace("4 queue_if_no_path", "2 queue_if_no_path")
            table = table.replace(f" queue_mode {self.rig.variant.mode}", "")
        return f"{table} "


class Messages(Case):
    """M-03. fail_path for all paths, and reinstate_path."""

    def round(self, number: int) -> None:
        rig = self.rig
        began = time.monotonic()
        rig.tell("fail_path")
        for path in ALL:
            rig.message("fail_path", f"259:{path}")
            assert rig.status().states() == "F" * (path + 1) + "A" * (PATHS - path - 1)
        self.assert_none()
        rig.stay_still(self.pause_s)
        mark = rig.log_bytes()
        rig.tell("reinstate_path")
        for path in ALL:
            rig.message("reinstate_path", f"259:{path}")
            assert rig.status().states() == "A" * (path + 1) + "F" * (PATHS - path - 1)
        rig.outage(began, mark)
        self.assert_whole(rig.status())
        rig.stay_in_group(1, self.pause_s)


class Groups(Case):
    """M-04. Group 1 is disabled and enabled: I/O leaves it and comes back. Then it is switched away and back."""

    HAS_OUTAGES = False

    def round(self, number: int) -> None:
        self._step("DA", 2, "disable_group", "1")
        self._step("AE", 1, "enable_group", "1")
        self._step("EA", 2, "switch_group", "2")
        self._step("AE", 1, "switch_group", "1")

    def _step(self, letters: str, group: int, *message: str) -> None:
        rig = self.rig
        events = rig.events()
        rig.tell(" ".join(message))
        rig.message(*message)
        status = rig.wait_for_status(lambda status: status.letters() == letters, f"groups are {letters}")
        self.assert_whole(status, (letters,))
        assert status.group == group and rig.events() == events + 1
        rig.stay_in_group(group, self.pause_s)
        assert rig.status().letters() == letters


CASES: dict[str, type[Case]] = {
    "M-00": NoFailure,
    "M-01": Offline,
    "M-02": Delete,
    "M-03": Messages,
    "M-04": Groups,
}
