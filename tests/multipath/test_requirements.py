"""Requirements of the founding documents, counted: how often a path is chosen, how many commands go out, what is told when."""

import random
import sys
import tracemalloc

import pytest
from tests.multipath.model_rig import BLOCK, SEQUENTIAL_BIOS

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import READ, WRITE
from hawser.block.request import Request
from hawser.core.status import MEDIUM, OK, TRANSPORT
from hawser.core.units import MIB
from hawser.dm.clone import CloneBio
from hawser.dm.dmsetup import brief as verbs
from hawser.lab.world import Answer, Client, RamDriver, World, make_multipath
from hawser.multipath.path import Path
from hawser.multipath.selectors.base import PathSelector


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
    """S1-D7. 4 paths, round-robin, default limits (128 segments), plugs of 256 bios of 4 KiB. Every bio that is not the first
    of a command has merged."""
    rig = make_multipath(World(), paths=4, mode=mode, size=MIB, limits=QueueLimits())
    sent = 0
    blocks = MIB // BLOCK
    for start in range(0, SEQUENTIAL_BIOS, 256):
        place = start % blocks * 8
        rig.client.submit([Bio(READ, place + number * 8, BLOCK, rig.client) for number in range(256)])
        rig.world.run()
        assert all(size == sectors << 9 for _, _, size in commands(rig))
        sent += len(commands(rig))
        for path in rig.paths:
            path.driver.sent.clear()
        rig.client.done.clear()
    assert sent == count
    merges = [int(device.stats.reads.merges) for device in (rig.device, *(path.device for path in rig.paths))]
    assert merges == [SEQUENTIAL_BIOS - count, 0, 0, 0, 0]


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


def test_a_clone_of_a_large_bio_costs_no_more_memory():
    """S2-4."""
    rig = make_multipath(World(), paths=1, mode="bio")
    target = rig.device.live_targets()[0]
    cost: list[int] = []
    for size in (BLOCK, MIB):
        whole = Bio(WRITE, 0, size, rig.client, bytes(size))
        tracemalloc.start()
        clones = [CloneBio(whole, rig.client, target) for _ in range(100)]
        cost.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        assert all(clone.data is whole.data for clone in clones)
    assert cost[1] <= cost[0] + 1024, "100 of them"


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


def test_bio_based_a_retry_on_a_path_of_smaller_limits_is_cut_for_that_path():
    """S2-6. And no smaller than that, however often it has been tried."""
    rig = make_multipath(World(), paths=3, mode="bio", limits=QueueLimits(max_sectors=64))
    rig.paths[1].device.set_limits(QueueLimits(max_sectors=16))
    rig.paths[0].driver.default = rig.paths[1].driver.default = Answer(TRANSPORT)
    rig.client.write(0, bytes(8 * BLOCK))
    rig.world.run()
    assert rig.client.done[0].status == OK
    assert [[size // BLOCK for _, _, size in path.driver.sent] for path in rig.paths] == [[8], [2] * 4, [8]]
