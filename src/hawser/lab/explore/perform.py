"""Making a move of a small world: what the servers, the wires and time then do, and the words for it."""

from hawser.block.ops import FLUSH, READ
from hawser.block.orphan import PROOF_PEER_GONE, UNPROVEN
from hawser.core.status import MEDIUM, TRANSPORT
from hawser.lab.devices.array import Cache
from hawser.lab.explore.command import BEGUN, DONE, RECEIVED, STUCK, Command
from hawser.lab.explore.judge import name_of
from hawser.lab.explore.manual_path import ManualPath
from hawser.lab.explore.moves import (
    ANSWER,
    CONNECT,
    CRASH,
    DIE,
    EXECUTE,
    HOLE,
    LAND,
    OPERATE,
    PROVE,
    REFUSE,
    REINSTATE,
    RESET,
    SESSION,
    SHORTEN,
    SUBMIT,
    TICK,
    TIME_OUT,
    WRITE_BACK,
    is_given_up,
    parts_of,
)
from hawser.lab.explore.operator import RESUME
from hawser.lab.explore.small_world import PATH_NAMES, SmallWorld


def perform(world: SmallWorld, move: int) -> None:
    """Make a move, and let the engine come to rest."""
    kind, place, item = parts_of(move)
    if kind == SUBMIT:
        world.clients[place].submit()
    elif kind == DIE:
        world.budget.deaths -= 1
        world.budget.spend()
        world.clients[place].die()
        world.clients[place].device.cancel_dead()
    elif kind == TICK:
        _tick(world)
    elif kind == OPERATE:
        world.operator.do(RESUME if place else world.budget.verbs.pop(item))
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
        if not is_given_up(world, path):
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
        for device in world.maps:
            device.message(0, ["reinstate_path", path.path().devt])
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
        if left != value and not world.scenario.retains:
            world.judge.lose(sector, left)


def _perform_on_ghost(world: SmallWorld, path: ManualPath, item: int, kind: int) -> None:
    story = world.story
    if kind == PROVE:
        aftermath = path.aftermaths[item]
        if story.told:
            story.tell(f"path {path.name}: it is known that the old connection's server does no more harm")
        path.settle(aftermath, PROOF_PEER_GONE if aftermath.server_died else UNPROVEN)
        return
    aftermath = path.aftermaths[item // SESSION]
    ghost = aftermath.ghosts[item % SESSION]
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
