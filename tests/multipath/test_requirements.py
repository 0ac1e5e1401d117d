"""Requirements of the founding documents, counted: how often a path is chosen, how many commands go out, what is told when."""

import random
import sys

import pytest

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import READ, WRITE
from hawser.block.plug import Plug
from hawser.block.queue import RequestQueue
from hawser.block.request import Request
from hawser.core.status import MEDIUM, OK, TRANSPORT
from hawser.core.units import KIB, MIB, NS_PER_MS
from hawser.dm.dmsetup import brief as verbs
from hawser.dm.request_based import RequestMapper, RequestStack
from hawser.lab.model_driver import ModelDriver
from hawser.lab.world import MACHINE_TODAY, Answer, Client, RamDriver, Rig, World, make_multipath
from hawser.multipath.disk import CACHE_LUN, PathDevice
from hawser.multipath.path import Path
from hawser.multipath.selectors.base import PathSelector
from hawser.multipath.target import Multipath

SEQUENTIAL_BIOS = 65_536
BLOCK = 4 * KIB


def commands(rig) -> list[tuple[int, int, int]]:
    return [sent for path in rig.paths for sent in path.driver.sent]


class Counting(PathSelector):
    """Counts how often the one inside is asked."""

    def __init__(self, inside: PathSelector) -> None:
        super().__init__()
        self.inside = inside
        self.asked = 0

    def select(self, size: int) -> Path | None:
        self.asked += 1
        return self.inside.select(size)

    def fail_path(self, path: Path) -> None:
        self.inside.fail_path(path)


@pytest.mark.parametrize("mode", ["rq", "bio"])
@pytest.mark.parametrize("failures", [0, 1])
def test_one_selection_per_command_and_one_path_per_request(mode: str, failures: int):
    """S1-D1. 16 neighbouring bios in one plug; in bio mode each is a unit of its own."""
    rig = make_multipath(World(), paths=4, mode=mode)
    state = rig.device.table.targets[0].state
    counting = Counting(state.groups[0].selector)
    state.groups[0].selector = counting
    for path in rig.paths[:failures]:
        path.driver.script.append(Answer(TRANSPORT))
    rig.client.submit([Bio(READ, number * 8, BLOCK, rig.client) for number in range(16)])
    rig.world.run()
    sent = commands(rig)
    assert all(bio.status == OK for bio in rig.client.done)
    assert counting.asked == (1 + failures if mode == "rq" else 16 + failures)
    if mode == "rq":
        assert [(sector, size) for _, sector, size in sent] == [(0, 16 * BLOCK)] * (1 + failures)


@pytest.mark.parametrize(("mode", "count", "sectors"), [("rq", 512, 1024), ("bio", SEQUENTIAL_BIOS, 8)])
def test_a_sequential_job_is_512_commands_or_65536(mode: str, count: int, sectors: int):
    """S1-D7. 4 paths, round-robin, default limits (128 segments), plugs of 128 bios of 4 KiB."""
    rig = make_multipath(World(), paths=4, mode=mode, size=MIB, limits=QueueLimits())
    sent = 0
    blocks = MIB // BLOCK
    for start in range(0, SEQUENTIAL_BIOS, 128):
        place = start % blocks * 8
        rig.client.submit([Bio(READ, place + number * 8, BLOCK, rig.client) for number in range(128)])
        rig.world.run()
        assert all(size == sectors << 9 for _, _, size in commands(rig))
        sent += len(commands(rig))
        for path in rig.paths:
            path.driver.sent.clear()
        rig.client.done.clear()
    assert sent == count


class ModelRig:
    """A map over paths whose commands take c + bytes / B (hawser.lab.model_driver)."""

    def __init__(
        self,
        mode: str,
        paths: int,
        depth: int,
        k: float,
        speeds: list[float] | None = None,
        selector: str = "round-robin 0",
        machine: str = MACHINE_TODAY,
    ) -> None:
        self.world = World(machine)
        self.drivers: list[ModelDriver] = []
        for number in range(paths):
            driver = ModelDriver(self.world.turn, self.world.timers, k, speeds[number] if speeds else 1.0)
            queue = RequestQueue(f"p{number}", driver, QueueLimits(), self.world.turn, self.world.timers, depth)
            device = PathDevice(
                f"p{number}", f"259:{number}", SECTORS, queue, self.world.turn, self.world.disk, CACHE_LUN
            )
            self.world.registry.add(device)
            self.drivers.append(driver)
        words = " ".join(f"259:{number}" for number in range(paths))
        line = f"0 {SECTORS} multipath 2 queue_mode {mode} 0 1 1 {selector} {paths} 0 {words}"
        self.device = self.world.mapped("mpatha", line)
        self.client = Client(self.device, self.world.disk)

    def submit(self, sectors: list[int], size: int = BLOCK, batch: int = 1) -> None:
        """Reads, so many in one plug; 1: without a plug."""
        plug = Plug(batch > 1)
        for number, sector in enumerate(sectors, 1):
            self.device.submit(Bio(READ, sector, size, self.client), plug)
            if number % batch == 0:
                plug.finish()
        plug.finish()

    def run(self) -> int:
        """Until all is done; nanoseconds."""
        self.world.run()
        assert all(bio.status == OK for bio in self.client.done)
        return self.world.clock.now_ns

    def commands(self) -> int:
        return sum(driver.commands for driver in self.drivers)


SECTORS = SEQUENTIAL_BIOS * 8 * 4
SEQUENCE = list(range(0, SEQUENTIAL_BIOS * 8, 8))


def mapper(rig: ModelRig | Rig) -> RequestMapper:
    stack = rig.device.stack()
    assert isinstance(stack, RequestStack)
    return stack.mapper


def burst(feedback: bool, asks: bool = True, depth: int = 0) -> tuple[int, int]:
    """65,536 sequential bios without a plug to four paths of 32 commands each: commands, and the time they took."""
    rig = ModelRig("rq", paths=4, depth=32, k=2.7)
    own = rig.device.queue
    assert own is not None
    assert own.scheduler == "mq-deadline"
    own.depth = depth or own.depth
    own.nr_requests = own.depth
    mapper(rig).contexts_free = own.depth
    for device in rig.device.table.devices():
        device.queue.feedback = feedback
    mapper(rig).asks = asks
    rig.submit(SEQUENCE)
    took_ns = rig.run()
    return rig.commands(), took_ns


def test_a_burst_is_640_commands_because_busy_paths_keep_it_above():
    """S1-03: P d + 1 + ceil((N - P d - 1) / 128). The one had left the scheduler when it was told that the paths are busy.

    Transcript 80 has the same formula from Linux, with N of 16 to 512, two paths of 8 commands, and 320 bios to a request.
    """
    with_feedback, quick_ns = burst(feedback=True)
    assert with_feedback == 4 * 32 + 1 + -(-(SEQUENTIAL_BIOS - 4 * 32 - 1) // 128) == 640
    # With paths that take all that comes and say nothing, above a queue that has a tag for each, merging is dead.
    without, slow_ns = burst(feedback=False, depth=SEQUENTIAL_BIOS)
    assert without == SEQUENTIAL_BIOS
    # (1 + k) / (1 + k / 128) is 3.6, but for the 129 small ones.
    assert slow_ns / quick_ns >= 3


def test_the_maps_own_tags_are_feedback_too():
    """With the default of 2,048 the rest waits above for one, and merges."""
    commands, _ = burst(feedback=False)
    assert commands == 2048 + 1 + -(-(SEQUENTIAL_BIOS - 2049) // 128)


def test_switching_off_the_busy_answer_alone_changes_nothing():
    """S1-03. The refusal of a clone says the same, at the price of a clone."""
    assert burst(feedback=True, asks=False)[0] == 640


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_a_dying_path_is_not_busy_so_that_what_comes_can_be_failed(mode: str):
    """S1-03, and DESIGN's words on the driver's busy."""
    rig = make_multipath(World(), paths=2, mode=mode, depth=1)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    queue = rig.paths[0].device.requests
    rig.client.read(0, BLOCK)
    assert queue.busy()
    queue.die()
    assert not queue.busy()
    bios = [rig.client.read(100 * number, BLOCK) for number in range(1, 5)]
    rig.world.run()
    assert ([bio.status for bio in bios], rig.letters()) == ([OK] * 4, "FA")
    assert len(rig.paths[0].driver.sent) == 1


def test_contexts_that_are_used_up_make_requests_wait_and_fail_none():
    """S1-07. As many clones as the device was given contexts, never one more."""
    rig = make_multipath(World(), paths=4)
    for path in rig.paths:
        path.driver.default = Answer(delay_ns=NS_PER_MS)
    contexts = mapper(rig)
    assert contexts.contexts_free == rig.device.queue.depth == 2048
    contexts.contexts_free = 3
    most = 0
    bios = []
    for number in range(40):
        bios.append(rig.client.read(50 * number, BLOCK))
        most = max(most, sum(len(path.driver.outstanding()) for path in rig.paths))
    assert most == 3
    rig.world.run()
    assert ([bio.status for bio in bios], contexts.contexts_free) == ([OK] * 40, 3)


def test_contexts_come_back_whatever_becomes_of_a_clone():
    """S1-07: refused below, failed and tried again, failed for good."""
    rig = make_multipath(World(), paths=2, depth=1)
    mapper(rig).contexts_free = 4
    rig.paths[0].driver.script.extend([Answer(delay_ns=NS_PER_MS), Answer(TRANSPORT)])
    rig.paths[1].driver.script.extend([Answer(delay_ns=NS_PER_MS), Answer(MEDIUM), Answer(TRANSPORT)])
    for number in range(12):
        rig.client.read(100 * number, BLOCK)
    rig.world.run()
    assert (len(rig.client.done), mapper(rig).contexts_free) == (12, 4)


def test_request_based_what_is_submitted_shuffled_leaves_in_order_and_merged():
    """S1-D2. The hook sits after merging and sorting; bio by bio, before."""
    sectors = list(range(0, 32 * 8, 8))
    random.Random(5).shuffle(sectors)
    for mode in ("rq", "bio"):
        rig = make_multipath(World(), paths=1, mode=mode, limits=QueueLimits())
        rig.client.submit([Bio(READ, sector, BLOCK, rig.client) for sector in sectors])
        rig.world.run()
        sent = [(sector, size) for _, sector, size in rig.paths[0].driver.sent]
        if mode == "rq":
            assert sent == sorted(sent)
            assert len(sent) < 8
        else:
            # Below, the path's own plug joins a bio to the newest request at most.
            starts = [sector for sector, _ in sent]
            assert starts != sorted(starts)
            assert len(sent) > 24


def test_with_large_bios_merging_above_gains_nothing():
    """S2-5: the counterweight to S1-D7. With bios of 1 MiB both modes take the same time, within 5 %."""
    took = {}
    for mode in ("rq", "bio"):
        rig = ModelRig(mode, paths=4, depth=32, k=2.7)
        rig.submit(list(range(0, 256 * 2048, 2048)), MIB, batch=16)
        took[mode] = rig.run()
    assert abs(took["rq"] / took["bio"] - 1) < 0.05


class Sticky(PathSelector):
    """Legacy round-robin: stays `repeat` I/Os, then goes on (rr_min_io)."""

    name = "sticky"

    def __init__(self, repeat: int) -> None:
        super().__init__()
        self.repeat = repeat
        self.left = repeat

    def select(self, size: int) -> Path | None:
        if self.left == 0:
            self.valid.append(self.valid.pop(0))
            self.left = self.repeat
        self.left -= 1
        return self.valid[0]


def granular(mode: str, repeat: int) -> tuple[float, float]:
    """Throughput in bytes per ns, and by how much the busiest path exceeds the mean, of a sequential job in plugs of 128."""
    rig = ModelRig(mode, paths=4, depth=32, k=2.7)
    target = rig.device.live_targets()[0]
    assert isinstance(target, Multipath)
    state = target.state
    sticky = Sticky(repeat)
    sticky.valid = list(state.groups[0].selector.valid)
    state.groups[0].selector = sticky
    count = 8192
    worst = 1.0
    for start in range(0, count, 512):
        before = [driver.busy_ns for driver in rig.drivers]
        rig.submit([8 * number for number in range(start, start + 512)], batch=128)
        rig.run()
        spent = [driver.busy_ns - since for driver, since in zip(rig.drivers, before, strict=True)]
        worst = max(worst, max(spent) * len(spent) / sum(spent))
    return count * BLOCK / rig.world.clock.now_ns, worst


def test_mapping_after_merging_needs_no_granularity():
    """S1-D8. Bio by bio a selector that stays on a path keeps sequences together and uses one path at a time; one that changes
    often spreads and shreds. Request by request with a granularity of 1 is as quick as the best of them, and as even as any."""
    by_bio = {repeat: granular("bio", repeat) for repeat in (1, 10, 100, 1000)}
    speed, imbalance = granular("rq", 1)
    assert speed >= 0.95 * max(speed for speed, _ in by_bio.values())
    assert imbalance <= min(imbalance for _, imbalance in by_bio.values())
    assert by_bio[1][0] < by_bio[100][0], "small ones shred"
    assert by_bio[1000][1] > by_bio[1][1], "large ones use one path at a time"


class Locked(RamDriver):
    """Completes from within queue_rq, as a driver may, and says while it is in there that it holds its lock."""

    held = 0

    def queue_rq(self, request: Request) -> int:
        Locked.held += 1
        status = super().queue_rq(request)
        Locked.held -= 1
        return status

    def commit(self) -> None:
        Locked.held += 1
        super().commit()
        Locked.held -= 1


class Unlocked(Client):
    """Is told of nothing while somebody below holds a lock."""

    def bio_done(self, bio: Bio) -> None:
        assert Locked.held == 0
        super().bio_done(bio)


@pytest.mark.parametrize("mode", ["rq", "bio"])
def test_nothing_is_told_while_a_lock_below_is_held(mode: str):
    """S1-D11: completion comes in a context of its own, so that a synchronous driver cannot deadlock."""
    rig = make_multipath(World(), paths=2, mode=mode, depth=2, make_driver=Locked)
    client = Unlocked(rig.device, rig.world.disk)
    rig.paths[0].driver.script.extend([Answer(), Answer(TRANSPORT), Answer(MEDIUM)])
    for number in range(20):
        client.submit([Bio(WRITE, 16 * number, BLOCK, client, bytes(BLOCK))])
        client.submit([Bio(READ, 16 * number + 1000, BLOCK, client)])
    rig.world.run()
    assert len(client.done) == 40


MATRIX = [
    ("all", Answer(), [OK] * 4, None),
    ("third fails", Answer(TRANSPORT, 2 * BLOCK), [OK, OK], (16, 2 * BLOCK)),
    ("first fails", Answer(TRANSPORT), [], (0, 4 * BLOCK)),
    ("medium", Answer(MEDIUM, 2 * BLOCK), [OK, OK, MEDIUM, MEDIUM], None),
]


@pytest.mark.parametrize(("name", "answer", "told", "retried"), MATRIX, ids=[row[0] for row in MATRIX])
def test_the_matrix_of_partial_completion(name: str, answer: Answer, told: list[int], retried: tuple[int, int] | None):
    """S1-D3, `seeds.md` 3.10. What the submitter hears at once, and what is retried, when one of four bios fails below."""
    rig = make_multipath(World(), paths=2, mode="rq")
    held = Answer(silent=True)
    rig.paths[0].driver.script.append(answer)
    rig.paths[1].driver.default = held
    rig.client.submit([Bio(WRITE, number * 8, BLOCK, rig.client, bytes(BLOCK)) for number in range(4)])
    rig.world.settle()
    assert [bio.status for bio in rig.client.done] == told
    assert rig.paths[1].driver.sent == ([(WRITE, *retried)] if retried else [])
    rig.paths[1].driver.deliver_all(Answer())
    rig.world.run()
    assert len(rig.client.done) == 4


def test_table_status_and_messages_are_those_of_the_other_mode():
    """S1-D5. Only the word after `queue_mode` tells the modes apart, and `rq` is not even printed."""
    seen: dict[str, list[str]] = {}
    for mode in ("rq", "mq", "bio"):
        features = "queue_if_no_path retain_attached_hw_handler"
        rig = make_multipath(World(), paths=2, groups=2, mode=mode, features=features)
        said = [rig.status()]
        for message in (
            "fail_path 259:0",
            "switch_group 2",
            "disable_group 1",
            "reinstate_path 259:0",
            "fail_if_no_path",
        ):
            rig.message(message)
            words = verbs.table(rig.world.registry, "mpatha").replace(" queue_mode bio", "").split(" ")
            # Without the two words of bio mode there are so many features.
            words[3] = str(int(words[3]) - 2 if mode == "bio" else int(words[3]))
            said += [rig.status(), " ".join(words)]
        seen[mode] = said
    assert seen["rq"] == seen["mq"] == seen["bio"]


def test_a_clone_shares_the_data_whatever_its_size():
    """S2-4. What reaches the driver is the client's own buffer."""

    class Keeping(RamDriver):
        def queue_rq(self, request):
            kept.append(request.payload()[0])
            return super().queue_rq(request)

    kept: list[object] = []
    for size in (BLOCK, MIB // 2):
        kept.clear()
        rig = make_multipath(World(), paths=1, mode="bio", limits=QueueLimits(), make_driver=Keeping)
        data = bytes(size)
        before = sys.getrefcount(data)
        rig.client.write(0, data)
        assert kept[0] is data
        assert sys.getrefcount(data) > before
        rig.world.run()


@pytest.mark.parametrize("good", [0, 3 * BLOCK])
def test_a_retry_keeps_its_boundaries(good: int):
    """S2-6. What is left of a request that failed goes out again as one command; nothing merges with it or cuts it anew."""
    rig = make_multipath(World(), paths=2, mode="rq")
    rig.paths[0].driver.script.append(Answer(TRANSPORT, good))
    first = [Bio(WRITE, number * 8, BLOCK, rig.client, bytes(BLOCK)) for number in range(8)]
    rig.client.submit(first)
    rig.client.submit([Bio(WRITE, 64, BLOCK, rig.client, bytes(BLOCK))])
    rig.world.run()
    assert (WRITE, good // 512, 8 * BLOCK - good) in rig.paths[1].driver.sent
    assert all(bio.status == OK for bio in rig.client.done)


@pytest.mark.parametrize("pieces", [1, 3])
def test_bio_based_a_retry_is_the_whole_bio_in_as_many_pieces_as_before(pieces: int):
    """S2-6. It is never cut smaller by a retry."""
    rig = make_multipath(World(), paths=2, mode="bio", limits=QueueLimits(max_sectors=8))
    rig.paths[0].driver.default = Answer(TRANSPORT)
    client = Client(rig.device, rig.world.disk)
    client.submit([Bio(WRITE, 0, pieces * BLOCK, client, bytes(pieces * BLOCK))])
    rig.world.run()
    assert client.done[0].status == OK
    assert sorted(rig.paths[1].driver.sent) == [(WRITE, number * 8, BLOCK) for number in range(pieces)]
