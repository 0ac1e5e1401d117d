"""Register: what may a sector hold, given what clients were told so far? As an automaton whose states are shared.

The promise is that of hawser.lab.oracles.history, sector by sector. What may be is kept as a set of *views*, one for each
way in which it can have come about. No moments are kept: equal futures have equal states, which is what an exploration needs
to recognise a state that it has seen. A view that an answer contradicts goes; when none is left, the answer is wrong. In a view:

    value    what the sector holds
    todo     writes without an answer that have not taken effect
    open     writes that may still take effect, once more or at all: unanswered ones that did already (a retry may execute twice,
             and the block layer promises no order of I/O in flight), and failed ones
    reads    for each read without an answer, what it may return
    held     what the sector held since the beginning of the last successful flush: what a power loss may leave
    flushes  for each flush without an answer, the same since its own beginning
    lost     whether a cache went away with something that was acknowledged

A failed write must not take effect any more once a read that began after its failure has returned something else, or a write that
began after it was acknowledged.

There are few states and many worlds that come through them: each `Node` is worked out once and then looked up.
"""

from typing import Final

Values = tuple[int, ...]
Marks = tuple[tuple[int, Values], ...]
View = tuple[int, Values, Values, Marks, Values, Marks, int]
Key = tuple[tuple[View, ...], Values, Marks]
Event = tuple[int, int, int, int]

BEGIN_WRITE: Final = 0
END_WRITE: Final = 1
BEGIN_READ: Final = 2
END_READ: Final = 3
BEGIN_FLUSH: Final = 4
END_FLUSH: Final = 5
LOSE: Final = 6

NOTHING: Final = -1
# The value of an END_WRITE that is durable when it is acknowledged.
FUA_WORD: Final = 1


class Node:
    """A state. `left`: what a power loss may leave now. Without a view it is what cannot be."""

    def __init__(self, number: int, views: tuple[View, ...], failed: Values, decides: Marks) -> None:
        self.number = number
        self.views = views
        self.failed = failed
        self.decides = decides
        self.next: dict[Event, Node] = {}
        left: set[int] = set()
        for v in views:
            left.update(v[4], v[1], v[2])
        self.left = tuple(sorted(left))


class Automaton:
    """The states that were met. `durable`: whether it is of interest what a loss of power, or of a cache, leaves."""

    def __init__(self, durable: bool) -> None:
        self.durable = durable
        self._nodes: dict[Key, Node] = {}
        held: Values = (0,) if durable else ()
        self.first = self._node(((0, (), (), (), held, (), 0),), (), ())

    def step(self, node: Node, event: Event) -> Node:
        """The state after `event`: its kind; the write's value, or the number of a read or flush; whether it is OK; a value read
        or left."""
        found = node.next.get(event)
        if found is None:
            draft = _Draft(node, self.durable)
            draft.apply(event)
            found = self._node(tuple(draft.views), draft.relevant(), tuple(sorted(draft.decides.items())))
            node.next[event] = found
        return found

    def _node(self, views: tuple[View, ...], failed: Values, decides: Marks) -> Node:
        key = (views, failed, decides)
        node = self._nodes.get(key)
        if node is None:
            node = Node(len(self._nodes), views, failed, decides)
            self._nodes[key] = node
        return node


class _Draft:
    """A state that is being worked out. `decides`: what had failed when a read (- its number) or a write (its value) began."""

    def __init__(self, node: Node, durable: bool) -> None:
        self.views = list(node.views)
        self.failed = list(node.failed)
        self.decides: dict[int, Values] = dict(node.decides)
        self.durable = durable

    def apply(self, event: Event) -> None:
        kind, number, ok, value = event
        if kind == BEGIN_WRITE:
            self._begin_write(number)
        elif kind == END_WRITE:
            self._end_write(number, ok != 0)
            if ok and value == FUA_WORD and self.durable:
                self._set([self._durable(v, number) for v in self.views])
        elif kind == BEGIN_READ:
            self._begin_read(number)
        elif kind == END_READ:
            self._end_read(number, value, ok != 0)
        elif kind == BEGIN_FLUSH:
            self._set([(v[0], v[1], v[2], v[3], v[4], (*v[5], (number, (v[0],))), v[6]) for v in self.views])
        elif kind == END_FLUSH:
            self._end_flush(number, ok != 0)
        else:
            self._lose(value)
        self._close()

    def relevant(self) -> Values:
        """The failed writes that may still take effect."""
        found: list[int] = []
        for value in sorted(self.failed):
            for v in self.views:
                if value in v[2]:
                    found.append(value)
                    break
        return tuple(found)

    def _begin_write(self, value: int) -> None:
        if self.failed:
            self.decides[value] = tuple(self.failed)
        self._set([(v[0], _with(v[1], value), v[2], v[3], v[4], v[5], v[6]) for v in self.views])

    def _end_write(self, value: int, ok: bool) -> None:
        """An acknowledged write has taken effect; a failed one may, later or never."""
        left = self.decides.pop(value, ())
        if ok:
            kept = [v for v in self.views if value not in v[1]]
            self._set([(v[0], v[1], _less(v[2], left, value), v[3], v[4], v[5], v[6]) for v in kept])
        else:
            self.failed.append(value)
            self._set([(v[0], _without(v[1], value), _with(v[2], value), v[3], v[4], v[5], v[6]) for v in self.views])

    def _durable(self, v: View, value: int) -> View:
        """Of a FUA write that is acknowledged a power loss leaves what it wrote; where that was superseded meanwhile it may leave
        more, as it may be either."""
        return (v[0], v[1], v[2], v[3], (value,), v[5], v[6]) if v[0] == value else v

    def _begin_read(self, number: int) -> None:
        if self.failed:
            self.decides[-number] = tuple(self.failed)
        self._set([(v[0], v[1], v[2], (*v[3], (number, (v[0],))), v[4], v[5], v[6]) for v in self.views])

    def _end_read(self, number: int, value: int, ok: bool) -> None:
        """What had failed before it began, and is not what it saw, will not happen any more."""
        left = _without(self.decides.pop(-number, ()), value)
        kept: list[View] = []
        for v in self.views:
            if not ok:
                kept.append((v[0], v[1], v[2], _drop(v[3], number), v[4], v[5], v[6]))
            elif value in _find(v[3], number):
                kept.append((v[0], v[1], _less(v[2], left, NOTHING), _drop(v[3], number), v[4], v[5], v[6]))
        self._set(kept)

    def _end_flush(self, number: int, ok: bool) -> None:
        """What was superseded when it began cannot be what a power loss leaves. After a loss none succeeds."""
        kept: list[View] = []
        for v in self.views:
            if not ok:
                kept.append((v[0], v[1], v[2], v[3], v[4], _drop(v[5], number), v[6]))
            elif v[6] == 0:
                kept.append((v[0], v[1], v[2], v[3], _find(v[5], number), _drop(v[5], number), 0))
        self._set(kept)

    def _lose(self, left: int) -> None:
        """A cache went away with what it had not written back; `left` is below it. Who reads elsewhere may see no difference."""
        found = list(self.views)
        for v in self.views:
            if left in v[4] or left in v[1] or left in v[2]:
                reads = tuple([(number, _with(seen, left)) for number, seen in v[3]])
                flushes = tuple([(number, _with(seen, left)) for number, seen in v[5]])
                found.append((left, v[1], v[2], reads, v[4], flushes, 1))
        self._set(found)

    def _set(self, views: list[View]) -> None:
        self.views = sorted(set(views)) if len(views) > 1 else views

    def _close(self) -> None:
        """Add the views in which writes have taken effect meanwhile."""
        known = set(self.views)
        waiting = list(self.views)
        while waiting:
            view = waiting.pop()
            for value in (*view[1], *view[2]):
                if value != view[0] or value in view[1]:
                    new = self._effect(view, value)
                    if new not in known:
                        known.add(new)
                        waiting.append(new)
        self.views = sorted(known)

    def _effect(self, view: View, value: int) -> View:
        """`value` takes effect. If it had failed before a read or write began that is open still, it came before that one's."""
        todo = _without(view[1], value)
        seen: list[tuple[int, Values]] = []
        for number, values in view[3]:
            late = value in self.decides.get(-number, ())
            seen.append((number, (value,) if late else _with(values, value)))
        open_writes = _with(view[2], value)
        for other in view[2]:
            if value in self.decides.get(other, ()):
                open_writes = _without(open_writes, other)
                todo = _with(todo, other)
        held = _with(view[4], value) if self.durable else view[4]
        flushes = tuple([(number, _with(values, value)) for number, values in view[5]])
        return value, todo, open_writes, tuple(seen), held, flushes, view[6]


def _with(values: Values, value: int) -> Values:
    return values if value in values else tuple(sorted((*values, value)))


def _without(values: Values, value: int) -> Values:
    return tuple([other for other in values if other != value]) if value in values else values


def _less(values: Values, left: Values, value: int) -> Values:
    """Without `value` and all of `left`."""
    return tuple([other for other in values if other != value and other not in left])


def _find(marks: Marks, number: int) -> Values:
    for other, values in marks:
        if other == number:
            return values
    return ()


def _drop(marks: Marks, number: int) -> Marks:
    return tuple([mark for mark in marks if mark[0] != number])
