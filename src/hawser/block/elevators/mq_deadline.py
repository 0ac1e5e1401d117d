"""`mq-deadline`: in the order of sectors, but none later than its deadline, reads before writes, and by priority class.

Linux: block/mq-deadline.c of 6.12, with the merging of block/elevator.c (one-hit cache, hash of end sectors, front merges);
`seeds.md` 3.6. Three classes (real time, best effort, idle), in each and for each direction a list sorted by sector and one
in order of arrival. A batch goes on in one direction, upwards from the sector that was dispatched last; when it has had its
`fifo_batch` requests, or nothing lies further up, the next one begins: with reads, unless writes have been passed over
`writes_starved` times, and at the oldest request if that has expired. A class holds back the lower ones as long as it has a
request queued or on its way, until those are older than `prio_aging_expire`. What was dispatched before, and comes back,
goes before all others.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

from hawser.block.bio import Bio
from hawser.block.elevators.arrivals import Arrivals
from hawser.block.elevators.base import Elevator, register_elevator
from hawser.block.elevators.node import BEST_EFFORT, IDLE, READS, WRITES, Node, class_of, direction_of
from hawser.block.elevators.parameters import Parameters
from hawser.block.elevators.sorted import Sorted
from hawser.block.limits import QueueLimits
from hawser.block.merge import MERGED, try_join, try_merge
from hawser.block.ops import DISCARD
from hawser.block.plug import MERGES_SIMPLE
from hawser.block.request import Request

if TYPE_CHECKING:
    from hawser.block.dispatch import DispatchQueue

NAME: Final = "mq-deadline"
CLASSES: Final = 3


class _Class:
    """What waits of one priority class. `taken_in` and `ended` count requests, `latest` holds start sectors, by direction."""

    def __init__(self) -> None:
        self.sorted = [Sorted(), Sorted()]
        self.arrivals = [Arrivals(), Arrivals()]
        self.latest = [0, 0]
        self.taken_in = 0
        self.ended = 0

    def queued(self) -> int:
        """Requests that wait or are on their way."""
        return self.taken_in - self.ended

    def is_empty(self) -> bool:
        """Whether none waits."""
        return self.arrivals[READS].first is None and self.arrivals[WRITES].first is None

    def next_up(self, direction: int) -> Node | None:
        return self.sorted[direction].from_sector(self.latest[direction])


class _Choice:
    """What to dispatch. `new_batch`: it begins one; `starved`: what the counter of passed-over writes becomes."""

    def __init__(self, node: Node, new_batch: bool, starved: int) -> None:
        self.node = node
        self.new_batch = new_batch
        self.starved = starved


class MqDeadline(Elevator):
    """`last_merge` is the one-hit cache: the request that was inserted or merged into last."""

    def __init__(self, queue: "DispatchQueue") -> None:
        super().__init__(queue)
        self.parameters = Parameters(queue.nr_requests)
        self.classes = [_Class() for _ in range(CLASSES)]
        self.last_merge: Node | None = None
        self._head: deque[Request] = deque()
        # Nodes by the sector behind their request: the newest, from which links lead to older ones.
        self._ends: dict[int, Node] = {}
        self._waiting = 0
        self._last_direction = WRITES
        self._batched = 0
        self._starved = 0

    # Coming in.

    def insert(self, request: Request, at_head: bool) -> None:
        node = request.node
        if not isinstance(node, Node) or node.elevator is not self:
            node = Node(request, self, class_of(request.ioprio), direction_of(request.op))
            request.node = node
            self.classes[node.prio].taken_in += 1
        if not request.cannot_merge and self._insert_merge(node):
            return
        self._waiting += 1
        if at_head:
            self._head.appendleft(request)
            return
        self.classes[node.prio].sorted[node.direction].add(node)
        if not request.cannot_merge:
            self._enter_hash(node)
            if self.last_merge is None:
                self.last_merge = node
        node.expires_ns = self.queue.clock.now_ns + self.parameters.expire_ns[node.direction]
        self.classes[node.prio].arrivals[node.direction].append(node)

    def _insert_merge(self, node: Node) -> bool:
        """Append a new request to one that waits, that one perhaps to yet another. Linux: elv_attempt_insert_merge()."""
        if self.queue.nomerges:
            last = self.last_merge
            return self.queue.nomerges == MERGES_SIMPLE and last is not None and self._join(last, node)
        if self.last_merge is not None and self._join(self.last_merge, node):
            return True
        merged = False
        before = self._ending_at(node.request.sector)
        while before is not None and self._join(before, node):
            merged = True
            node = before
            before = self._ending_at(node.request.sector)
        return merged

    def _join(self, first: Node, second: Node) -> bool:
        """Append the second request to the first, if it may be; the second is gone then. Linux: elv_merge_requests()."""
        old_end = first.request.end_sector()
        if not try_join(first.request, second.request, self.queue.limits):
            return False
        self.queue.note_join(first.request, second.request)
        if first.is_listed and second.is_listed and second.expires_ns < first.expires_ns:
            self.classes[second.prio].arrivals[second.direction].take_place_of(first, second)
        if second.is_listed:
            self._waiting -= 1
        self._forget(second)
        self.classes[second.prio].ended += 1
        second.request.node = None
        self._rehash(first, old_end)
        self.last_merge = first
        return True

    def merge(self, bio: Bio) -> Request | None:
        """Linux: elv_merge() and blk_mq_sched_try_merge()."""
        node = self.last_merge
        if node is not None and self._touches(node.request, bio):
            return self._merge_into(node, bio)
        if self.queue.nomerges == MERGES_SIMPLE:
            return None
        node = self._ending_at(bio.sector)
        if node is not None and _agrees(node.request, bio):
            return self._merge_into(node, bio)
        if not self.parameters.front_merges:
            return None
        node = self.classes[class_of(bio.ioprio)].sorted[direction_of(bio.op)].from_sector(bio.end_sector())
        if node is None or node.request.sector != bio.end_sector() or not _agrees(node.request, bio):
            return None
        return self._merge_into(node, bio)

    def _merge_into(self, node: Node, bio: Bio) -> Request | None:
        request = node.request
        old_start, old_end = request.sector, request.end_sector()
        if try_merge(request, bio, self.queue.limits) != MERGED:
            return None
        self.queue.note_merge(request, bio)
        if _is_of_ranges(request, self.queue.limits):
            return request
        entries = self.classes[node.prio].sorted[node.direction]
        if request.sector == old_start:
            after = entries.neighbour(node, 1)
            if after is None or not self._join(node, after):
                self._rehash(node, old_end)
                self.last_merge = node
            return request
        before = entries.neighbour(node, -1)
        if before is not None and self._join(before, node):
            return before.request
        entries.remove(node)
        entries.add(node)
        self.last_merge = node
        return request

    # Going out.

    def peek(self) -> Request | None:
        if self._head:
            return self._head[0]
        choice = self._choose()
        return choice.node.request if choice is not None else None

    def next(self) -> Request | None:
        if self._head:
            self._waiting -= 1
            return self._started(self._head.popleft())
        choice = self._choose()
        if choice is None:
            return None
        node = choice.node
        self._starved = choice.starved
        if choice.new_batch:
            self._last_direction = node.direction
            self._batched = 0
        self._batched += 1
        self._waiting -= 1
        self._forget(node)
        return self._started(node.request)

    def _started(self, request: Request) -> Request:
        node = request.node
        assert isinstance(node, Node)
        self.classes[node.prio].latest[node.direction] = request.sector
        request.cannot_merge = True
        return request

    def _choose(self) -> _Choice | None:
        """Linux: dd_dispatch_request()."""
        if self._waiting == 0:
            return None
        now_ns = self.queue.clock.now_ns
        classes = self.classes
        used = 0
        for one in classes:
            if one.queued():
                used += 1
        if used > 1:
            for prio in (BEST_EFFORT, IDLE):
                choice = self._choose_in(classes[prio], now_ns, now_ns - self.parameters.prio_aging_ns)
                if choice is not None:
                    return choice
        for one in classes:
            choice = self._choose_in(one, now_ns, now_ns)
            if choice is not None or one.queued():
                return choice
        return None

    def _choose_in(self, one: _Class, now_ns: int, latest_start_ns: int) -> _Choice | None:
        """Linux: __dd_dispatch_request()."""
        if one.is_empty():
            return None
        node = one.next_up(self._last_direction)
        if node is not None and self._batched < self.parameters.fifo_batch:
            return self._if_old_enough(_Choice(node, False, self._starved), latest_start_ns)
        starved = self._starved
        if one.arrivals[READS].first is not None:
            direction = READS
            if one.arrivals[WRITES].first is not None:
                # Linux compares without a sign: a negative one is never reached.
                if starved >= self.parameters.writes_starved & 0xFFFF_FFFF:
                    direction = WRITES
                starved += 1
        elif one.arrivals[WRITES].first is not None:
            direction = WRITES
        else:
            return None
        if direction == WRITES:
            starved = 0
        oldest = one.arrivals[direction].first
        assert oldest is not None
        node = one.next_up(direction)
        if node is None or oldest.expires_ns <= now_ns:
            node = oldest
        return self._if_old_enough(_Choice(node, True, starved), latest_start_ns)

    def _if_old_enough(self, choice: _Choice, latest_start_ns: int) -> _Choice | None:
        """Linux: started_after()."""
        node = choice.node
        start_ns = node.expires_ns - self.parameters.expire_ns[node.direction]
        return choice if start_ns <= latest_start_ns else None

    def finished(self, request: Request) -> None:
        node = request.node
        if isinstance(node, Node) and node.elevator is self:
            request.node = None
            self.classes[node.prio].ended += 1

    # What waits.

    def waiting(self) -> int:
        return self._waiting

    def requests(self) -> list[Request]:
        return [*self._head, *[node.request for one in self.classes for side in one.arrivals for node in side.nodes()]]

    def take_all(self) -> list[Request]:
        taken = self.requests()
        for request in taken:
            node = request.node
            assert isinstance(node, Node)
            self._forget(node)
            self.finished(request)
        self._head.clear()
        self._waiting = 0
        return taken

    # Where a node is.

    def _ending_at(self, sector: int) -> Node | None:
        """The newest request that ends before `sector` and still merges. Linux: elv_rqhash_find()."""
        node = self._ends.get(sector)
        while node is not None and node.request.cannot_merge:
            self._leave_hash(node)
            node = self._ends.get(sector)
        return node

    def _enter_hash(self, node: Node) -> None:
        end = node.request.end_sector()
        node.hashed_end = end
        node.hashed_before = self._ends.get(end)
        self._ends[end] = node

    def _leave_hash(self, node: Node) -> None:
        end = node.hashed_end
        if end < 0:
            return
        node.hashed_end = -1
        newer = self._ends[end]
        if newer is node:
            if node.hashed_before is None:
                del self._ends[end]
            else:
                self._ends[end] = node.hashed_before
        else:
            while newer.hashed_before is not node:
                assert newer.hashed_before is not None
                newer = newer.hashed_before
            newer.hashed_before = node.hashed_before
        node.hashed_before = None

    def _rehash(self, node: Node, old_end: int) -> None:
        if node.request.end_sector() != old_end:
            self._leave_hash(node)
            self._enter_hash(node)

    def _forget(self, node: Node) -> None:
        """It waits no more. Linux: deadline_remove_request()."""
        if node.is_listed:
            self.classes[node.prio].arrivals[node.direction].remove(node)
            self.classes[node.prio].sorted[node.direction].remove(node)
        self._leave_hash(node)
        if self.last_merge is node:
            self.last_merge = None

    def _touches(self, request: Request, bio: Bio) -> bool:
        """Whether a bio lies right behind or before a request that it agrees with."""
        if not _agrees(request, bio):
            return False
        if _is_of_ranges(request, self.queue.limits):
            return True
        return request.end_sector() == bio.sector or bio.end_sector() == request.sector

    # Settings.

    def attributes(self) -> dict[str, int]:
        return self.parameters.shown()

    def set_attribute(self, name: str, value: int) -> None:
        self.parameters.set(name, value)


def _agrees(request: Request, bio: Bio) -> bool:
    """Linux: elv_bio_merge_ok()."""
    return not request.cannot_merge and request.op == bio.op and request.ioprio == bio.ioprio


def _is_of_ranges(request: Request, limits: QueueLimits) -> bool:
    """Whether it takes others wherever they are. Linux: blk_discard_mergable()."""
    return request.op == DISCARD and limits.max_discard_segments > 1


register_elevator(NAME, MqDeadline)
