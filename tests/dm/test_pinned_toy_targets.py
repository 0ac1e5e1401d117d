"""Pinned by mutants: every word that a target can say, said by toy targets made of the hooks alone (`seeds.md` S1-08)."""

import pytest

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.ops import READ, WRITE
from hawser.block.request import UNKNOWN, Request
from hawser.core.status import DM_REQUEUE, IOERR, MEDIUM, OK, RESOURCE, TIMEOUT
from hawser.core.units import MIB, NS_PER_MS
from hawser.dm.clone import CloneBio
from hawser.dm.mapped_device import MappedDevice
from hawser.dm.target import (
    DELAY_REQUEUE,
    END_DELAY_REQUEUE,
    END_DONE,
    END_INCOMPLETE,
    END_REQUEUE,
    KILL,
    REMAPPED,
    REQUEST_BASED,
    REQUEUE,
    SUBMITTED,
    MessageError,
    TableError,
    Target,
    TargetContext,
    register_target,
)
from hawser.lab.world import Answer, Client, RamPath, Store, World

DELAY_NS = 100 * NS_PER_MS


class ToyRequests(Target):
    """One device below. Says what `maps` and `ends` have, then REMAPPED and END_DONE."""

    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("toy-requests", start, length)
        self.kind = REQUEST_BASED
        device = context.devices.find(words[0])
        assert device is not None and device.queue is not None
        self.device: BlockDevice = device
        self.host = context.host
        self.maps: list[int] = []
        self.ends: list[int] = []
        self.kept: list[Request] = []
        self.is_busy = False
        self.seen: list[str] = []

    def devices(self) -> list[BlockDevice]:
        return [self.device]

    def busy(self) -> bool:
        return self.is_busy

    def clone_and_map(self, request: Request) -> int:
        result = self.maps.pop(0) if self.maps else REMAPPED
        self.seen.append(f"map {result}")
        if result == SUBMITTED:
            self.kept.append(request)
        elif result == REMAPPED:
            assert self.device.queue is not None
            request.mapped = request.clone(self.device.queue, self.host.clone_owner())
        return result

    def release_clone(self, clone: Request) -> None:
        self.seen.append("release")

    def end_request(self, clone: Request) -> int:
        result = self.ends.pop(0) if self.ends else END_DONE
        self.seen.append(f"end {result}")
        if result == END_INCOMPLETE:
            self.kept.append(clone)
        return result


class PlainRequests(ToyRequests):
    """Leaves every hook that may be left as it is, but the one that maps."""

    def busy(self) -> bool:
        return Target.busy(self)

    def end_request(self, clone: Request) -> int:
        return Target.end_request(self, clone)


class LooseRequests(ToyRequests):
    """Another type may stand beside it."""

    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__(context, start, length, words)
        self.type_name = "loose-requests"


class CutRequests(ToyRequests):
    """Limits the length of I/O."""

    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__(context, start, length, words)
        self.max_io_sectors = 8


class ToyBios(Target):
    """One device below, sectors as they are. Says what `maps` and `ends` have, then REMAPPED and END_DONE."""

    def __init__(self, context: TargetContext, start: int, length: int, words: list[str]) -> None:
        super().__init__("toy-bios", start, length)
        device = context.devices.find(words[0])
        assert device is not None
        self.device: BlockDevice = device
        self.host = context.host
        self.maps: list[int] = []
        self.ends: list[int] = []
        self.is_idle = True

    def devices(self) -> list[BlockDevice]:
        return [self.device]

    def map_bio(self, clone: CloneBio) -> int:
        clone.device = self.device
        return self.maps.pop(0) if self.maps else REMAPPED

    def end_bio(self, clone: CloneBio) -> int:
        return self.ends.pop(0) if self.ends else END_DONE

    def idle(self) -> bool:
        return self.is_idle


register_target("toy-requests", ToyRequests, immutable=True)
register_target("plain-requests", PlainRequests, immutable=True)
register_target("loose-requests", LooseRequests)
register_target("cut-requests", CutRequests, immutable=True)
register_target("toy-bios", ToyBios)


def make(kind: str) -> tuple[World, RamPath, Client, Target]:
    world = World()
    path = world.ram_path("p", Store(MIB))
    device = world.mapped("toy", f"0 2048 {kind} 259:0")
    assert device.table is not None
    return world, path, Client(device), device.table.targets[0]


def make_requests() -> tuple[World, RamPath, Client, ToyRequests]:
    world, path, client, target = make("toy-requests")
    assert isinstance(target, ToyRequests)
    return world, path, client, target


def make_bios() -> tuple[World, RamPath, Client, ToyBios]:
    world, path, client, target = make("toy-bios")
    assert isinstance(target, ToyBios)
    return world, path, client, target


def finished_at(world: World, bio: Bio) -> int:
    world.run()
    assert bio.finished
    return world.clock.now_ns


@pytest.mark.parametrize(
    ("result", "status", "when_ns"),
    [(REMAPPED, OK, 0), (REQUEUE, OK, 0), (DELAY_REQUEUE, OK, DELAY_NS), (KILL, IOERR, 0)],
)
def test_what_mapping_a_request_may_say(result: int, status: int, when_ns: int):
    world, path, client, target = make_requests()
    target.maps = [result]
    bio = client.write(0, bytes(512))
    assert (finished_at(world, bio), bio.status) == (when_ns, status)
    assert len(path.driver.sent) == (1 if status == OK else 0)
    assert client.device.idle()


def test_a_request_that_the_target_keeps_waits_until_it_is_given_back():
    world, path, client, target = make_requests()
    target.maps = [SUBMITTED]
    bio = client.write(0, bytes(512))
    world.run()
    assert (bio.finished, path.driver.sent, client.device.idle()) == (False, [], False)
    target.host.requeue_request(target.kept.pop(), False)
    assert (finished_at(world, bio), bio.status, client.device.idle()) == (0, OK, True)


def test_a_request_may_be_given_back_with_a_delay_and_kicked():
    world, _, client, target = make_requests()
    target.maps = [SUBMITTED, SUBMITTED]
    first = client.write(0, bytes(512))
    target.host.requeue_request(target.kept.pop(), True)
    second = client.write(100, bytes(512))
    target.host.requeue_request(target.kept.pop(), True)
    world.pass_time(NS_PER_MS)
    assert not first.finished
    target.host.kick_requeued()
    assert (finished_at(world, second), first.status, second.status) == (NS_PER_MS, OK, OK)


@pytest.mark.parametrize(
    ("result", "status", "sent", "when_ns"),
    [(END_DONE, MEDIUM, 1, 0), (END_REQUEUE, OK, 2, 0), (END_DELAY_REQUEUE, OK, 2, DELAY_NS)],
)
def test_what_the_end_of_a_request_may_say(result: int, status: int, sent: int, when_ns: int):
    world, path, client, target = make_requests()
    path.driver.script.append(Answer(MEDIUM))
    target.ends = [result]
    bio = client.write(0, bytes(512))
    assert (finished_at(world, bio), bio.status, len(path.driver.sent)) == (when_ns, status, sent)
    assert client.device.idle()


def test_a_failed_clone_that_the_target_keeps_at_its_end_is_ended_by_it():
    world, path, client, target = make_requests()
    path.driver.script.append(Answer(MEDIUM))
    target.ends = [END_INCOMPLETE]
    bio = client.write(0, bytes(512))
    world.run()
    assert (bio.finished, client.device.idle()) == (False, False)
    target.host.finish_request(target.kept.pop())
    assert (finished_at(world, bio), bio.status, client.device.idle()) == (0, MEDIUM, True)


def test_a_target_may_leave_the_hooks_of_busy_and_end_as_they_are():
    world, path, client, _ = make("plain-requests")
    path.driver.script.append(Answer(MEDIUM))
    bios = [client.write(0, bytes(512)), client.read(8, 512)]
    world.run()
    assert [bio.status for bio in bios] == [MEDIUM, OK]
    assert world.clock.now_ns == 0


def test_while_a_target_is_busy_nothing_is_mapped_and_the_device_says_so():
    world, path, client, target = make_requests()
    queue = client.device.queue
    target.is_busy = True
    bio = client.write(0, bytes(512))
    assert (target.seen, queue.busy(), queue.waiting()) == ([], True, 1)
    target.is_busy = False
    assert not queue.busy()
    assert (finished_at(world, bio), path.driver.sent) == (0, [(WRITE, 0, 512)])


def test_a_clone_refused_below_is_released_once_and_its_original_waits_above():
    """Kernel 396eaf21ee: the result of the insertion is reported."""
    world, path, client, target = make_requests()
    path.driver.refuse = RESOURCE
    bio = client.write(0, bytes(512))
    assert target.seen == ["map 1", "release"]
    assert (client.device.queue.waiting(), path.device.requests.waiting()) == (1, 0)
    path.driver.refuse = OK
    assert (finished_at(world, bio), target.seen) == (0, ["map 1", "release", "map 1", "end 0"])


def test_a_clone_that_its_path_will_not_have_is_ended_and_not_released():
    world, path, client, target = make_requests()
    path.driver.refuse = MEDIUM
    bio = client.write(0, bytes(512))
    assert (finished_at(world, bio), bio.status) == (0, MEDIUM)
    assert target.seen == ["map 1", "end 0"]


@pytest.mark.parametrize(
    ("maps", "ends", "status"),
    [([REMAPPED], [END_DONE], OK), ([KILL], [], IOERR), ([REQUEUE], [], IOERR), ([REMAPPED], [END_REQUEUE], IOERR)],
)
def test_what_a_bio_based_target_may_say(maps: list[int], ends: list[int], status: int):
    """A requeue that no suspend waits for is an error; DM_REQUEUE never escapes."""
    world, _, client, target = make_bios()
    target.maps, target.ends = maps, ends
    bio = client.write(0, bytes(512))
    world.run()
    assert bio.status == status != DM_REQUEUE
    assert client.device.idle()


@pytest.mark.parametrize(("result", "kept"), [(KILL, False), (REQUEUE, True)])
def test_a_noflush_suspend_keeps_what_a_target_wants_mapped_again_and_nothing_else(result: int, kept: bool):
    world, path, client, target = make_bios()
    device = client.device
    assert isinstance(device, MappedDevice)
    target.maps = [result]
    bio = client.write(0, bytes(512))
    device.suspend(True)
    world.run()
    assert (device.is_suspended(), bio.finished) == (True, not kept)
    device.resume()
    world.run()
    assert (bio.status, len(path.driver.sent)) == ((OK, 1) if kept else (IOERR, 0))


def test_a_device_is_idle_when_all_its_targets_are():
    world = World()
    world.ram_path("p", Store(MIB))
    device = world.mapped("both", "0 8 zero\n8 8 toy-bios 259:0")
    target = device.table.targets[1]
    assert isinstance(target, ToyBios)
    assert device.idle()
    target.is_idle = False
    assert not device.idle()


def test_a_target_that_takes_no_messages_says_so():
    _, _, client, _ = make_bios()
    assert isinstance(client.device, MappedDevice)
    with pytest.raises(MessageError, match="Target type does not support messages"):
        client.device.message(0, ["hello"])


UNDETERMINED = "table: unable to determine table type"


@pytest.mark.parametrize(
    ("table", "message", "log"),
    [
        (
            "0 8 toy-requests 259:0\n8 8 toy-requests 259:0",
            "request-based DM doesn't support multiple targets",
            UNDETERMINED,
        ),
        (
            "0 8 toy-requests 259:0\n8 8 toy-bios 259:0",
            "254:0: toy-bios: immutable target type cannot be mixed with other target types (-EINVAL)",
            "ioctl: error adding target to table",
        ),
        (
            "0 8 toy-bios 259:0\n8 8 toy-requests 259:0",
            "254:0: toy-requests: immutable target type cannot be mixed with other target types (-EINVAL)",
            "ioctl: error adding target to table",
        ),
        (
            "0 8 loose-requests 259:0\n8 8 toy-bios 259:0",
            "Inconsistent table: different target types can't be mixed up",
            UNDETERMINED,
        ),
        ("0 8 loose-requests 259:0", "table load rejected: immutable target is required", UNDETERMINED),
        (
            "0 8 cut-requests 259:0",
            "table load rejected: immutable target that splits IO is not supported",
            UNDETERMINED,
        ),
    ],
)
def test_what_request_based_tables_are_refused(table: str, message: str, log: str):
    world = World()
    world.ram_path("p", Store(MIB))
    with pytest.raises(TableError) as caught:
        world.mapped("two", table)
    assert str(caught.value) == message
    assert caught.value.log == [f"table: {message}", log]


def test_a_clone_is_restored_to_what_it_was_made_of():
    """Linux: dm_bio_restore()."""
    _, _, client, target = make_bios()
    original = Bio(READ, 16, 1024, client)
    clone = CloneBio(original, client, target)
    clone.take_part(bytes(512), 512)
    clone.sector, clone.size, clone.data, clone.status, clone.fate = 99, 512, bytes(512), MEDIUM, 2
    clone.finished = True
    clone.restore()
    assert clone.data is None
    assert (clone.sector, clone.size, clone.status, clone.fate) == (16, 1024, OK, 0)
    assert (clone.done, clone.parts, clone.finished, clone.orphan) == (0, None, False, None)
    write = CloneBio(Bio(WRITE, 0, 512, client, b"w" * 512), client, target)
    write.restore()
    assert write.data == b"w" * 512


def test_during_a_flush_suspend_nothing_that_a_target_hands_back_is_kept():
    """The suspend waits for it: it fails, as without one."""
    world, path, client, target = make_bios()
    path.driver.default = Answer(delay_ns=NS_PER_MS)
    target.ends = [END_REQUEUE]
    bio = client.write(0, bytes(512))
    device = client.device
    assert isinstance(device, MappedDevice)
    device.suspend(False)
    world.run()
    assert (bio.status, device.is_suspended()) == (IOERR, True)


def test_a_target_that_knows_of_no_ghosts_withholds_nothing():
    world, path, client, target = make_requests()
    path.driver.script.append(Answer(TIMEOUT, fate=UNKNOWN))
    bio = client.write(0, bytes(512))
    world.run()
    assert bio.status == TIMEOUT
    assert target.seen == [f"map {REMAPPED}", f"end {END_DONE}"]


def test_errors_of_a_target_are_its_own_unless_it_says_otherwise():
    """A toy target over a path whose errors are answers: nobody can tell what the toy's mean."""
    _, path, client, _ = make_bios()
    path.driver.answers_are_final = True
    assert path.device.answers_are_final()
    assert not client.device.answers_are_final()
