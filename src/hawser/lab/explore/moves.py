"""Moves: what can happen next in a small world, and making it happen.

A move is a number: kind, then up to two places (path or client, and a position in a list that has a canonical order). Equal
states have equal moves. A list of moves replays a run; in words it is `time out A 0`.

Left out because nothing could come of it (partial order reduction):

- a read is executed and answered in one move. What it may return can only grow while the answer is under way. The same for
  a flush where nobody asks what a power loss would leave and no path has a cache of its own.
- a read or flush that timed out is not executed late: a read changes nothing, and a late flush is what a cache does by itself.
- in a world whose clients have all been answered nothing happens but what a power loss would show.
"""

from typing import Final

from hawser.block.ops import FLUSH, READ
from hawser.block.orphan import PROOF_PEER_GONE, UNPROVEN
from hawser.core.status import MEDIUM, TRANSPORT
from hawser.lab.devices.array import Cache
from hawser.lab.explore.command import BEGUN, DONE, RECEIVED, STUCK, Command
from hawser.lab.explore.judge import name_of
from hawser.lab.explore.manual_path import ManualPath
from hawser.lab.explore.small_world import PATH_NAMES, SmallWorld

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

NAMES: Final = (
    "submit", "execute", "answer", "time-out", "refuse", "shorten", "reset", "crash", "connect", "reinstate", "hole", "heal",
    "land", "drop", "prove", "write-back", "tick", "die",
)  # fmt: skip

_KIND: Final = 10_000
_PLACE: Final = 100
# Ghosts of different sessions of a path are numbered apart.
_SESSION: Final = 10


def make_move(kind: int, place: int = 0, item: int = 0) -> int:
    return kind * _KIND + place * _PLACE + item


def name_of_move(move: int) -> str:
    """`time-out 0 1`."""
    return f"{NAMES[move // _KIND]} {move % _KIND // _PLACE} {move % _PLACE}"


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
                    found.append(make_move(LAND, number, session * _SESSION + place))
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
        if budget.resets or _is_given_up(world, path):
            found.append(make_move(RESET, number))
        if budget.crashes:
            found.append(make_move(CRASH, number))
        if world.scenario.reinstates and not world.target.state.paths[number].is_active:
            found.append(make_move(REINSTATE, number))
    elif world.manager is not None or world.scenario.reinstates:
        found.append(make_move(CONNECT, number))


def _is_given_up(world: SmallWorld, path: ManualPath) -> bool:
    """Whether the connection may be reset, as a command on it timed out: that is no failure of its own."""
    return path.name in world.budget.gives_up and path.has_late()


def _moves_of_ghosts(world: SmallWorld, path: ManualPath, number: int, found: list[int]) -> None:
    for session, aftermath in enumerate(path.aftermaths):
        for place in range(len(aftermath.ghosts)):
            item = session * _SESSION + place
            if world.scenario.loses != path.name:
                found.append(make_move(LAND, number, item))
            found.append(make_move(DROP, number, item))
        if not aftermath.ghosts:
            # That its server does no more harm is then true, and so may be declared (a bound of time) or seen (its end).
            harmless = aftermath.server_died or not (world.has_own_caches() and path.server.cache.is_dirty())
            if harmless:
                found.append(make_move(PROVE, number, session))


def perform(world: SmallWorld, move: int) -> None:
    """Make a move, and let the engine come to rest."""
    kind, place, item = move // _KIND, move % _KIND // _PLACE, move % _PLACE
    if kind == SUBMIT:
        world.clients[place].submit()
    elif kind == DIE:
        world.budget.deaths -= 1
        world.budget.spend()
        world.clients[place].die()
        world.device.cancel_dead()
    elif kind == TICK:
        _tick(world)
    elif kind == WRITE_BACK:
        _write_back(world, place, item)
    elif kind <= SHORTEN:
        path = world.paths[place]
        _perform_on_command(world, path, path.commands[item], kind)
    elif kind < LAND:
        _perform_on_path(world, place, kind)
    else:
        _perform_on_ghost(world, world.paths[place], item, kind)
    world.settle()


def _tick(world: SmallWorld) -> None:
    world.clock.now_ns = max(world.clock.now_ns, world.timers.next_deadline_ns())
    if world.story.told:
        world.story.tell("time passes: the next timer of hawser's expires")
    world.timers.advance()


def _write_back(world: SmallWorld, number: int, sector: int) -> None:
    """One dirty sector reaches the medium, as a cache does by itself."""
    cache: Cache = world.array.caches()[number]
    value = cache.dirty.pop(sector)
    world.array.medium[sector] = value
    if cache.keeps_reads:
        cache.clean[sector] = value
    if world.story.told:
        owner = f"server {PATH_NAMES[number]}" if world.has_own_caches() else "the array"
        world.story.tell(f"{owner} writes sector {sector} back from its cache: {name_of(value)}")


def _perform_on_command(world: SmallWorld, path: ManualPath, command: Command, kind: int) -> None:
    story = world.story
    if kind == EXECUTE:
        _execute(world, path, command)
    elif kind == ANSWER:
        if story.told:
            late = "late " if command.request is None else ""
            story.tell(f"path {path.name}: the {late}answer to {command.name()} arrives")
        path.answer(command)
    elif kind == TIME_OUT:
        if not path.hole:
            world.budget.timeouts -= 1
            world.budget.spend()
        if story.told:
            story.tell(f"path {path.name}: {command.name()} times out")
        path.time_out(command)
    elif kind == REFUSE:
        world.budget.errors -= 1
        world.budget.spend()
        command.status = MEDIUM
        command.stage = DONE
        command.good = 0
        if story.told:
            story.tell(f"server {path.name} does not execute {command.name()}: an error of the medium")
    else:
        world.budget.shorts -= 1
        world.budget.spend()
        command.good = 1
        command.execute(path.server)
        command.status = TRANSPORT
        if story.told:
            story.tell(f"server {path.name} executes the first sector of {command.name()}, and no more")


def _execute(world: SmallWorld, path: ManualPath, command: Command) -> None:
    server = path.server
    if command.stage == RECEIVED and command.needs_picture(server):
        command.begin(server)
        if world.story.told:
            world.story.tell(f"server {path.name} begins {command.name()}: it reads the block around it")
        return
    with_neighbours = command.stage == BEGUN
    late = command.request is None
    command.execute(server)
    if world.story.told:
        ghost = "the ghost of " if late else ""
        block = ", with the block around it as it was read" if with_neighbours else ""
        world.story.tell(f"server {path.name} executes {ghost}{command.name()}{block}")
    merged = command.op == READ or (command.op == FLUSH and not world.scenario.durable and not world.has_own_caches())
    if merged and not path.hole:
        path.answer(command)


def _perform_on_path(world: SmallWorld, number: int, kind: int) -> None:
    path = world.paths[number]
    budget = world.budget
    line = ""
    if kind == RESET:
        if not _is_given_up(world, path):
            budget.resets -= 1
            budget.spend()
            line = "the connection ends"
        else:
            line = "the connection is given up and reset, as no late answer comes"
        path.end_session(server_died=False)
    elif kind == CRASH:
        budget.crashes -= 1
        budget.spend()
        path.end_session(server_died=True)
        _lose_cache(world, path)
        line = "the server dies, and what it had in its cache is gone"
    elif kind == CONNECT:
        path.connect()
        line = "a new connection stands"
    elif kind == REINSTATE:
        world.device.message(0, ["reinstate_path", path.path().devt])
        line = "an operator reinstates it"
    elif kind == HOLE:
        budget.holes -= 1
        budget.spend()
        path.hole = True
        line = "nothing passes any more: a black hole"
    else:
        path.hole = False
        for command in path.commands:
            if command.stage == STUCK:
                command.stage = RECEIVED
        line = "the black hole heals: what was stuck in our send queue goes out"
    if world.story.told:
        world.story.tell(f"path {path.name}: {line}")


def _lose_cache(world: SmallWorld, path: ManualPath) -> None:
    """What a server had not written back is gone; another one's cache may hold the same all the same."""
    dirty = sorted(path.server.cache.dirty.items())
    path.server.restart(keeps_cache=False)
    for sector, value in dirty:
        left = world.array.medium[sector]
        if left != value:
            world.judge.lose(sector, left)


def _perform_on_ghost(world: SmallWorld, path: ManualPath, item: int, kind: int) -> None:
    story = world.story
    if kind == PROVE:
        aftermath = path.aftermaths[item]
        if story.told:
            story.tell(f"path {path.name}: it is known that the old connection's server does no more harm")
        path.settle(aftermath, PROOF_PEER_GONE if aftermath.server_died else UNPROVEN)
        return
    aftermath = path.aftermaths[item // _SESSION]
    ghost = aftermath.ghosts[item % _SESSION]
    if kind == LAND:
        if ghost.stage == RECEIVED and ghost.needs_picture(path.server):
            ghost.begin(path.server)
            if story.told:
                story.tell(f"server {path.name} begins the ghost of {ghost.name()}: it reads the block around it")
            return
        ghost.execute(path.server, through=aftermath.server_died)
        if story.told:
            story.tell(f"server {path.name} executes the ghost of {ghost.name()}")
    elif story.told:
        story.tell(f"server {path.name} drops the ghost of {ghost.name()}")
    aftermath.ghosts.remove(ghost)
