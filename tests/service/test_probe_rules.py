"""What hawser probe concludes: its tests against stores of memory that behave as a server might, and as none should."""

import socket
from collections.abc import Callable

import pytest

from hawser.block.ops import Buffer
from hawser.nbd import protocol
from hawser.nbd.client_handshake import Negotiated
from hawser.nbd.client_questions import Answers
from hawser.paths.facts import PathFacts
from hawser.paths.uri import PathUri, parse_path_uri
from hawser.service.probe import coherence, facts, neighbours
from hawser.service.probe.coherence import Coherence
from hawser.service.probe.finding import DISPROVED, FACT, NOT_DISPROVED, UNTESTED, Contradiction, Finding
from hawser.service.probe.neighbours import Neighbours
from hawser.service.probe.scratch import Scratch, Stamps
from hawser.service.probe.store import Store
from hawser.service.probe.zeroing import Zeroing

SIZE = 1 << 20
UNIT = 4096
SCRATCH = Scratch(8192, 64 * UNIT, UNIT)
LUN = parse_path_uri("nbd://a/d?cache=lun")
ALL_FLAGS = (
    protocol.FLAG_SEND_FLUSH
    | protocol.FLAG_SEND_FUA
    | protocol.FLAG_SEND_TRIM
    | protocol.FLAG_SEND_WRITE_ZEROES
    | protocol.FLAG_SEND_FAST_ZERO
)
BOTH = [LUN, parse_path_uri("nbd://b/d?cache=lun")]


class Server(Store):
    """Over `disk`, which others may be over, too; with a cache of its own that holds writes back until a flush, if `caches`, and
    what was read once, if `remembers`."""

    def __init__(self, disk: bytearray, caches: bool = False, remembers: bool = False, **facts: object) -> None:
        values: dict[str, object] = {"size_bytes": SIZE, "block_size": 512, "rmw_unit": UNIT, "read_only": False}
        values |= {"can_flush": True, "can_fua": True, "can_discard": True, "can_zero": True, "max_bytes": SIZE}
        super().__init__(LUN, PathFacts(**(values | facts)))  # type: ignore[arg-type]
        self.disk = disk
        self.caches = caches
        self.remembers = remembers
        self.held: dict[int, bytes] = {}
        self.known: dict[tuple[int, int], bytes] = {}
        self.flushes = 0

    def write(self, offset: int, data: Buffer, fua: bool = False) -> None:
        if self.caches and not fua:
            self.held[offset] = bytes(data)
        else:
            self.disk[offset : offset + len(data)] = data

    def write_both(self, other: Store, places: tuple[int, int], data: tuple[bytes, bytes]) -> None:
        self.write(places[0], data[0])
        other.write(places[1], data[1])

    def read(self, offset: int, size: int) -> bytes:
        if self.remembers and (offset, size) in self.known:
            return self.known[offset, size]
        for place, data in self.held.items():
            if place <= offset and offset + size <= place + len(data):
                return data[offset - place : offset - place + size]
        self.known[offset, size] = bytes(self.disk[offset : offset + size])
        return self.known[offset, size]

    def flush(self) -> None:
        self.flushes += 1
        for place, data in self.held.items():
            self.disk[place : place + len(data)] = data
        self.held = {}

    def close(self) -> None:
        pass


def two(**options: object) -> tuple[Server, Server]:
    disk = bytearray(SIZE)
    return Server(disk, **options), Server(disk, **options)  # type: ignore[arg-type]


def check(stores: tuple[Store, Store], uris: list[PathUri] = BOTH, multi_conn: bool = False) -> Coherence:
    return Coherence(stores, uris, SCRATCH, Stamps(), multi_conn)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes by sleeping alone."""
    slept = [0.0]

    def sleep(seconds: float) -> None:
        slept[0] += seconds

    monkeypatch.setattr(coherence, "sleep", sleep)
    monkeypatch.setattr(coherence, "monotonic", lambda: slept[0])
    return slept


def verdicts(found: list[Finding]) -> list[str]:
    return [each.verdict for each in found]


def test_one_cache_behind_two_ends_is_not_disproved():
    stores = two()
    coherent = check(stores)
    found = coherent.check()
    assert verdicts(found) == [NOT_DISPROVED] * 4 and coherent.is_coherent
    tried = [each.tried for each in found]
    assert [text.split(" through ")[0].split(" ", 2)[2] for text in tried[:3]] == [
        "written",
        "written with FUA",
        "written and flushed",
    ]
    assert all("URI 1 or URI 2, each read at once through the other" in text for text in tried[:3])
    assert coherent.same_disk() is None


def test_two_caches_are_told_apart_and_for_how_long_is_said(no_waiting: list[float]):
    stores = two(caches=True)
    coherent = check(stores)
    found = coherent.check()
    assert verdicts(found) == [DISPROVED, NOT_DISPROVED, NOT_DISPROVED, DISPROVED]
    assert not coherent.is_coherent
    assert (
        f"{coherence.ROUNDS} reads were stale: at 8192, written through URI 1, acknowledged, and not seen through URI 2 in "
        in (found[0].evidence)
    )
    assert found[0].contradicts == tuple(
        Contradiction(option, uri, option == "cache=lun") for uri in (0, 1) for option in ("cache=lun", "cache=none")
    )
    assert no_waiting[0] == pytest.approx(coherence.STALE_SECONDS, abs=2 * coherence.STALE_POLL_SECONDS)


def test_a_read_that_is_stale_for_a_moment_says_for_how_long(no_waiting: list[float], monkeypatch: pytest.MonkeyPatch):
    stores = two(remembers=True)

    def forget(seconds: float) -> None:
        no_waiting[0] += seconds
        if no_waiting[0] > 3 * seconds:
            stores[0].known.clear()
            stores[1].known.clear()

    monkeypatch.setattr(coherence, "sleep", forget)
    found = check(stores).check()
    assert found[0].verdict == DISPROVED
    assert f"not seen through URI 2 for {4 * coherence.STALE_POLL_SECONDS:.3f} s" in found[0].evidence


@pytest.mark.parametrize(("multi_conn", "against"), [(True, True), (False, False)])
def test_who_says_that_connections_may_be_mixed_is_taken_at_his_word(
    multi_conn: bool, against: bool, no_waiting: list[float]
):
    """A read that is stale though the write was flushed, or had FUA, contradicts CAN_MULTI_CONN; without either it does not."""
    found = check(two(remembers=True), [LUN], multi_conn).check()
    named = [any(each.option == coherence.MULTI_CONN for each in finding.contradicts) for finding in found]
    assert verdicts(found)[:3] == [DISPROVED] * 3
    assert named == [False, against, against, False]
    assert "written through connection 1" in found[0].evidence


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        ({}, {}, 4),
        ({"can_fua": False}, {}, 3),
        ({}, {"can_flush": False}, 3),
        ({"can_fua": False}, {"can_flush": False}, 2),
    ],
)
def test_what_one_of_the_two_does_not_offer_is_not_tried(first: dict, second: dict, count: int):
    disk = bytearray(SIZE)
    assert len(check((Server(disk, **first), Server(disk, **second))).check()) == count


def test_two_disks_are_not_one():
    stores = (Server(bytearray(SIZE)), Server(bytearray(SIZE)))
    coherent = check(stores)
    found = coherent.same_disk()
    assert found is not None and found.verdict == DISPROVED
    assert stores[0].flushes == coherence.SAME_DISK_TRIES
    assert not coherent.is_coherent


def test_an_older_write_that_comes_back_over_a_newer_one_is_seen(no_waiting: list[float]):
    """Each cache writes its block back when it is flushed: the one that is flushed last wins, in either order."""
    finding = check(two(caches=True)).check()[-1]
    assert finding.evidence.startswith(f"{coherence.OVERWRITES} times not the newer write alone: at ")
    assert finding.evidence.endswith(
        "URI 1 returns the older write and URI 2 returns the older write, when both had flushed"
    )
    assert [each.option for each in finding.contradicts] == ["cache=lun", "cache=none"] * 2


def test_both_ends_write_the_older_one_in_turn():
    """A cache on one side only is found out in the half of the rounds in which it has the older write."""
    disk = bytearray(SIZE)
    finding = check((Server(disk, caches=True), Server(disk))).check()[-1]
    assert finding.verdict == DISPROVED
    assert finding.evidence.startswith(f"{coherence.OVERWRITES // 2} times not the newer write alone")


# Neighbours.


class Rewriting(Server):
    """It rewrites whole blocks of `block` bytes: of two writes that are on their way at once within one, the first is lost."""

    def __init__(self, disk: bytearray, block: int, **facts: object) -> None:
        super().__init__(disk, **facts)  # type: ignore[arg-type]
        self.block = block
        self.tried: list[tuple[int, int, int]] = []

    def write_both(self, other: Store, places: tuple[int, int], data: tuple[bytes, bytes]) -> None:
        self.tried.append((*places, len(data[0])))
        first = places[0] // self.block * self.block
        before = bytes(self.disk[first : first + self.block])
        super().write_both(other, places, data)
        if places[1] // self.block * self.block == first:
            self.disk[first : first + self.block] = before
            other.write(places[1], data[1])


@pytest.fixture
def all_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "monotonic", lambda: 0.0)


def beside(make: Callable[[bytearray], Store], two_servers: bool) -> tuple[list[Finding], Store]:
    disk = bytearray(SIZE)
    stores = (make(disk), make(disk))
    return Neighbours(stores, SCRATCH, Stamps(), two_servers).check(), stores[0]


@pytest.mark.usefixtures("all_rounds")
def test_a_server_that_rewrites_what_it_says_is_a_fact_and_no_harm():
    found, first = beside(lambda disk: Rewriting(disk, UNIT), True)
    assert verdicts(found) == [FACT, NOT_DISPROVED]
    assert f"{neighbours.ROUNDS} lost; hawser takes no smaller writes than {UNIT} bytes" in found[0].evidence
    assert (
        found[0].tried
        == f"{neighbours.ROUNDS} pairs of writes of 512 bytes side by side, at once, through the two servers"
    )
    assert isinstance(first, Rewriting)
    small, large = first.tried[: neighbours.ROUNDS], first.tried[neighbours.ROUNDS :]
    assert {size for _, _, size in small} == {512} and {size for _, _, size in large} == {UNIT}
    for one, other, size in first.tried:
        assert abs(one - other) == size, "side by side"
        assert SCRATCH.start <= min(one, other) and max(one, other) + size <= SCRATCH.start + SCRATCH.length
    assert {one < other for one, other, _ in small} == {True, False}, "in either order"
    assert len({min(one, other) % UNIT for one, other, _ in small}) == UNIT // 512 - 1, "everywhere within a block"
    assert {min(one, other) % (2 * UNIT) for one, other, _ in large} == {0}


@pytest.mark.usefixtures("all_rounds")
@pytest.mark.parametrize("two_servers", [True, False])
def test_a_server_that_rewrites_more_than_it_says_is_disproved(two_servers: bool):
    found, _ = beside(lambda disk: Rewriting(disk, 2 * UNIT, rmw_unit=UNIT), two_servers)
    assert verdicts(found) == [FACT, DISPROVED]
    assert found[1].contradicts == tuple(
        Contradiction(f"preferred block size {UNIT}", number, True) for number in ((0, 1) if two_servers else (0,))
    )


@pytest.mark.usefixtures("all_rounds")
def test_where_blocks_are_as_large_as_the_unit_nothing_smaller_is_tried():
    found, first = beside(lambda disk: Rewriting(disk, 512, block_size=UNIT), False)
    assert verdicts(found) == [UNTESTED, NOT_DISPROVED]
    assert isinstance(first, Rewriting) and {size for _, _, size in first.tried} == {UNIT}
    assert f"its blocks are of {UNIT} bytes already" in found[0].evidence


# Zeroing, and what a server says.


class Wire:
    """What a connection is asked for its export, and no more."""

    def __init__(self, flags: int) -> None:
        self.export = Negotiated("d", SIZE, flags, 512, UNIT, SIZE, True, b"")
        self.sock = socket.socket(socket.AF_INET)


class Zeroer(Server):
    """It zeroes from `early` bytes before where it should, and forgets what is discarded if `forgets`."""

    def __init__(self, flags: int = ALL_FLAGS, early: int = 0, short: int = 0, forgets: bool = False) -> None:
        super().__init__(bytearray(SIZE))
        self.connection = Wire(flags)
        self.early = early
        self.short = short
        self.forgets = forgets
        self.asked: list[tuple[int, int, int]] = []

    def zero(self, offset: int, size: int, flags: int) -> int:
        self.asked.append((offset, size, flags))
        start, end = offset - self.early, offset + size - self.short
        self.disk[start:end] = bytes(end - start)
        return 0

    def trim(self, offset: int, size: int) -> None:
        if self.forgets:
            self.disk[offset : offset + size] = bytes(size)


def zeroing(server: Zeroer) -> list[Finding]:
    try:
        return Zeroing(server, 1, SCRATCH, Stamps()).check()  # type: ignore[arg-type]
    finally:
        server.connection.sock.close()


def test_zeroes_are_asked_for_from_the_middle_of_a_block_in_each_way_that_there_is():
    server = Zeroer()
    found = zeroing(server)
    assert verdicts(found) == [NOT_DISPROVED] * 3 + [FACT]
    assert [flags for _, _, flags in server.asked] == [0, protocol.CMD_FLAG_NO_HOLE, protocol.CMD_FLAG_FAST_ZERO]
    assert {(offset - SCRATCH.start) % (2 * UNIT) for offset, _, _ in server.asked} == {UNIT // 2}
    assert {size for _, size, _ in server.asked} == {2 * UNIT - UNIT // 2}
    slow = Zeroer(ALL_FLAGS & ~protocol.FLAG_SEND_FAST_ZERO)
    assert verdicts(zeroing(slow)) == [NOT_DISPROVED] * 2 + [FACT]
    none = zeroing(Zeroer(ALL_FLAGS & ~protocol.FLAG_SEND_WRITE_ZEROES))
    assert verdicts(none) == [UNTESTED, FACT] and "does not offer it" in none[0].evidence


@pytest.mark.parametrize("wrong", [{"early": UNIT // 2}, {"short": 1}])
def test_too_much_and_too_little_is_disproved(wrong: dict):
    found = zeroing(Zeroer(**wrong))
    assert verdicts(found) == [DISPROVED] * 3 + [FACT]
    assert found[0].contradicts == (Contradiction("NBD_FLAG_SEND_WRITE_ZEROES", 1, True),)


@pytest.mark.parametrize(("forgets", "words"), [(True, "zeroes"), (False, "what was there before")])
def test_what_a_discard_leaves_is_a_fact(forgets: bool, words: str):
    found = zeroing(Zeroer(forgets=forgets))[-1]
    assert (found.about, found.verdict, found.evidence) == ("discard", FACT, f"they return {words}")


@pytest.mark.parametrize(("flags", "note"), [(ALL_FLAGS, False), (ALL_FLAGS & ~protocol.FLAG_SEND_FLUSH, True)])
def test_a_cache_of_its_own_that_cannot_be_flushed_is_a_note(flags: int, note: bool, monkeypatch: pytest.MonkeyPatch):
    server = Zeroer(flags)
    monkeypatch.setattr(facts, "NbdStore", Zeroer)
    try:
        answers = Answers(True, structured_replies=True, extended_headers=False, description="a disk")
        uri = parse_path_uri("nbd://a/d")
        found = {fact.name: fact.text for fact in facts.facts_about(uri, server, answers, True, "2")}
    finally:
        server.connection.sock.close()
    assert ("note" in found) is note
    assert found["offers"].endswith("not flush") is note
    assert (found["structured replies"][:3], found["extended headers"], found["description"]) == (
        "yes",
        "no",
        "'a disk'",
    )
    assert (found["second client"], found["other clients"], found["declared"]) == (
        "yes",
        "2",
        "cache=path (the default)",
    )
    assert found["transport"].startswith("TCP: ")
