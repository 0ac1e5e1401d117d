"""Moves: what can happen next in a small world. (`perform` makes it happen.)

A move is a number: a kind, a place (a path, a client or a cache) and an item (a position in a list that has a canonical order).
Equal states have equal moves. A list of moves replays a run; the name of one is `time-out 0 1`.

Left out because nothing could come of it (partial order reduction):

- a read is executed and answered in one move. What it may return can only grow while the answer is under way. The same for
  a flush where nobody asks what a power loss would leave and no path has a cache of its own.
- a read or flush that timed out is not executed late: a read changes nothing (but for a server that caches what it reads: there
  the scenario's other reads do), and a late flush is what a cache does by itself.
- in a world whose clients have all been answered nothing happens but what a power loss would show.
"""

from typing import Final

from hawser.lab.explore.command import BEGUN, DONE, RECEIVED, Command
from hawser.lab.explore.manual_path import ManualPath
from hawser.lab.explore.operator import RESUME
from hawser.lab.explore.small_world import SmallWorld

SUBMIT: Final = 0
EXECUTE: Final = 1
ANSWER: Final = 2
TIME_OUT: Final = 3
REFUSE: Final = 4
SHORTEN: Final = 5
RESET: Final = 6
CRASH: Final = 7
CONNECT: Final = 8
REINSTATE: Final = 9
HOLE: Final = 10
HEAL: Final = 11
LAND: Final = 12
DROP: Final = 13
PROVE: Final = 14
WRITE_BACK: Final = 15
TICK: Final = 16
DIE: Final = 17
OPERATE: Final = 18

NAMES: Final = (
    "submit", "execute", "answer", "time-out", "refuse", "shorten", "reset", "crash", "connect", "reinstate", "hole", "heal",
    "land", "drop", "prove", "write-back", "tick", "die", "operate",
)  # fmt: skip

_KIND: Final = 10_000
_PLACE: Final = 100
# Ghosts of different sessions of a path are numbered apart.
SESSION: Final = 10


def make_move(kind: int, place: int = 0, item: int = 0) -> int:
    return kind * _KIND + place * _PLACE + item


def parts_of(move: int) -> tuple[int, int, int]:
    """Kind, place and item."""
    return move // _KIND, move % _KIND // _PLACE, move % _PLACE


def name_of_move(move: int) -> str:
    """`time-out 0 1`."""
    kind, place, item = parts_of(move)
    return f"{NAMES[kind]} {place} {item}"


def move_of_name(text: str) -> int:
    """The reverse. ValueError when it is no move."""
    words = text.split()
    if len(words) != 3 or words[0] not in NAMES:
        raise ValueError(f"{text!r} is not a move such as 'time-out 0 1'")
    return make_move(NAMES.index(words[0]), int(words[1]), int(words[2]))


def enabled(world: SmallWorld) -> list[int]:
    """Every move that can be made, in a fixed order."""
    if world.is_done():
        return _moves_of_data(world) if world.scenario.durable else []
    found: list[int] = []
    for number, client in enumerate(world.clients):
        if client.can_submit():
            found.append(make_move(SUBMIT, number))
        if world.budget.deaths and not client.dead and client.open:
            found.append(make_move(DIE, number))
    for number, path in enumerate(world.paths):
        _moves_of_commands(world, path, number, found)
        _moves_of_path(world, path, number, found)
        _moves_of_ghosts(world, path, number, found)
    _moves_of_caches(world, found)
    if world.has_timers():
        found.append(make_move(TICK))
    for item, verb in enumerate(world.budget.verbs):
        if world.operator.may(verb):
            found.append(make_move(OPERATE, 0, item))
    if world.operator.may(RESUME):
        found.append(make_move(OPERATE, 1))
    return found


def _moves_of_data(world: SmallWorld) -> list[int]:
    """Those that change what a power loss would leave when no client is there any more."""
    found: list[int] = []
    for number, path in enumerate(world.paths):
        for item, command in enumerate(path.commands):
            if command.is_write() and _can_be_executed(world, path, command):
                found.append(make_move(EXECUTE, number, item))
        for session, aftermath in enumerate(path.aftermaths):
            for place in range(len(aftermath.ghosts)):
                if world.scenario.loses != path.name:
                    found.append(make_move(LAND, number, session * SESSION + place))
    _moves_of_caches(world, found)
    return found


def _moves_of_caches(world: SmallWorld, found: list[int]) -> None:
    if world.scenario.write_back:
        for number, cache in enumerate(world.array.caches()):
            for sector in sorted(cache.dirty):
                found.append(make_move(WRITE_BACK, number, sector))


def _can_be_executed(world: SmallWorld, path: ManualPath, command: Command) -> bool:
    if command.stage != RECEIVED and command.stage != BEGUN:
        return False
    return command.request is not None or world.scenario.loses != path.name


def _moves_of_commands(world: SmallWorld, path: ManualPath, number: int, found: list[int]) -> None:
    budget = world.budget
    for item, command in enumerate(path.commands):
        stage = command.stage
        if stage == DONE:
            if not path.hole:
                found.append(make_move(ANSWER, number, item))
        elif _can_be_executed(world, path, command):
            found.append(make_move(EXECUTE, number, item))
        if stage == RECEIVED and command.is_write() and not path.hole:
            if budget.errors:
                found.append(make_move(REFUSE, number, item))
            if budget.shorts and command.count > 1:
                found.append(make_move(SHORTEN, number, item))
        if command.request is not None and (budget.timeouts or path.hole):
            found.append(make_move(TIME_OUT, number, item))


def _moves_of_path(world: SmallWorld, path: ManualPath, number: int, found: list[int]) -> None:
    budget = world.budget
    if path.up:
        if path.hole:
            found.append(make_move(HEAL, number))
        elif budget.holes:
            found.append(make_move(HOLE, number))
        if budget.resets or is_given_up(world, path):
            found.append(make_move(RESET, number))
        if budget.crashes:
            found.append(make_move(CRASH, number))
        if world.scenario.reinstates and world.has_failed(number) and not world.operator.is_away():
            found.append(make_move(REINSTATE, number))
    elif world.manager is not None or world.scenario.reinstates:
        found.append(make_move(CONNECT, number))


def is_given_up(world: SmallWorld, path: ManualPath) -> bool:
    """Whether the connection may be reset, as a command on it timed out: that is no failure of its own."""
    return path.name in world.budget.gives_up and path.has_late()


def _moves_of_ghosts(world: SmallWorld, path: ManualPath, number: int, found: list[int]) -> None:
    for session, aftermath in enumerate(path.aftermaths):
        for place in range(len(aftermath.ghosts)):
            item = session * SESSION + place
            if world.scenario.loses != path.name:
                found.append(make_move(LAND, number, item))
            found.append(make_move(DROP, number, item))
        if not aftermath.ghosts:
            # That its server does no more harm is then true, and so may be declared (a bound of time) or seen (its end).
            harmless = aftermath.server_died or not (world.has_own_caches() and path.server.cache.is_dirty())
            if harmless:
                found.append(make_move(PROVE, number, session))
