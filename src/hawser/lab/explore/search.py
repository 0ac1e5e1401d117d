"""The search: every state of a small world that can be reached, each once.

The engine cannot be forked. So a world is rebuilt for each run and moved along a list of choices; from there the search
goes on as deep as there is anything new, and comes back by another run. States are recognised by their digest. `explore`
goes into the depth where no counter-example is expected, and by breadth, which finds the shortest one, where it is: with
the fences off, or to shorten what the depth has found.

It also knows the graph, and so whether every client can still be answered from every state: one from which no way leads to
that is a fault, too (`stuck`).
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from hawser.lab.devices.array import CACHE_PATH
from hawser.lab.explore.digest import Walker
from hawser.lab.explore.moves import enabled, move_of_name, name_of_move
from hawser.lab.explore.perform import perform
from hawser.lab.explore.register import Automaton
from hawser.lab.explore.scenarios import Scenario
from hawser.lab.explore.small_world import BROKEN, SmallWorld
from hawser.lab.explore.story import Story

STATES_MAX: Final = 5_000_000
PROGRESS_EVERY: Final = 1000
STUCK: Final = "stuck"

# Told now and then: states and transitions so far.
Progress = Callable[[int, int], None]
Observer = Callable[[SmallWorld], None]


class CounterExample:
    """`kind` of the fault, `text` of it in a sentence, `story` of what led to it line by line, `choices` to replay it."""

    def __init__(self, kind: str, text: str, story: list[str], choices: list[str]) -> None:
        self.kind = kind
        self.text = text
        self.story = story
        self.choices = choices


class Exploration:
    """What was found. `complete`: everything within the bound was seen, which is so unless a counter-example came first."""

    def __init__(self, scenario: Scenario, mode: str, fences: bool, bound: str) -> None:
        self.scenario = scenario
        self.mode = mode
        self.fences = fences
        self.bound = bound
        self.states = 0
        self.transitions = 0
        self.runs = 0
        self.deepest = 0
        self.complete = False
        self.counter_example: CounterExample | None = None
        self._automaton = Automaton(scenario.durable or scenario.cache == CACHE_PATH)

    def make_world(self, told: bool = False) -> SmallWorld:
        """The world in its first state."""
        scenario = self.scenario
        return SmallWorld(scenario, scenario.shape(self.bound), self.mode, self.fences, self._automaton, Story(told))

    def line(self) -> str:
        """`cache-lun rq fences small: 123 states, 345 transitions, 67 runs, depth 20: no counter-example`."""
        what = f"{self.scenario.name} {self.mode} {'fences' if self.fences else 'no-fences'} {self.bound}"
        numbers = f"{self.states} states, {self.transitions} transitions, {self.runs} runs, depth {self.deepest}"
        found = self.counter_example
        end = "no counter-example" if self.complete else "not complete"
        return f"{what}: {numbers}: {end if found is None else f'{found.kind}: {found.text}'}"


class _State:
    """`move` led here from `parent`."""

    def __init__(self, number: int, parent: "_State | None", move: int) -> None:
        self.number = number
        self.parent = parent
        self.move = move
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.is_done = False

    def choices(self) -> list[int]:
        found: list[int] = []
        state: _State | None = self
        while state is not None and state.parent is not None:
            found.append(state.move)
            state = state.parent
        found.reverse()
        return found


class Search:
    """One search. `hashing` off: no state is recognised, every path is followed to its end (for tests, on tiny worlds)."""

    def __init__(
        self, exploration: Exploration, by_breadth: bool, progress: Progress | None, hashing: bool = True
    ) -> None:
        self.exploration = exploration
        self.by_breadth = by_breadth
        self.progress = progress
        self.hashing = hashing
        self.depth_max = 1 << 30
        # Shown the world in its first state and after every transition.
        self.observer: Observer | None = None
        self._walker = Walker()
        self._known: dict[bytes, _State] = {}
        self._states: list[_State] = []
        self._edges: list[tuple[int, int]] = []
        self._waiting: deque[tuple[_State, int]] = deque()
        self._world: SmallWorld | None = None
        self._at: _State | None = None

    def run(self) -> None:
        """Search until a counter-example is found or nothing is left."""
        exploration = self.exploration
        world = exploration.make_world()
        exploration.runs += 1
        self._world = world
        self._arrive(world, None, 0)
        while self._waiting and exploration.states <= STATES_MAX:
            state, move = self._waiting.popleft() if self.by_breadth else self._waiting.pop()
            world = self._go_to(state)
            fault = make_move_in(world, move)
            exploration.transitions += 1
            self._at = None
            if fault:
                self._found(state, move)
                return
            self._arrive(world, state, move)
        exploration.complete = not self._waiting
        if exploration.complete and self.hashing and not exploration.scenario.may_wait:
            self._find_stuck()

    def _go_to(self, state: _State) -> SmallWorld:
        """The world in this state: the present one if it is there, else a new one, driven to it."""
        world = self._world
        if state is not self._at or world is None:
            world = self.exploration.make_world()
            self.exploration.runs += 1
            for move in state.choices():
                perform(world, move)
            self._world = world
        return world

    def _arrive(self, world: SmallWorld, parent: _State | None, move: int) -> None:
        """The world is somewhere after a move: note the state, and what can be done from it, unless it is known."""
        exploration = self.exploration
        if self.observer is not None:
            self.observer(world)
        digest = self._walker.digest(world)
        known = self._known.get(digest)
        if known is not None and self.hashing:
            if parent is not None:
                self._edges.append((parent.number, known.number))
            return
        state = _State(len(self._states), parent, move)
        self._known[digest] = state
        self._states.append(state)
        self._at = state
        exploration.states += 1
        exploration.deepest = max(exploration.deepest, state.depth)
        if parent is not None:
            self._edges.append((parent.number, state.number))
        state.is_done = world.is_done()
        moves = enabled(world)
        if state.depth < self.depth_max:
            # The first one is made first, whichever end is taken.
            for found in moves if self.by_breadth else moves[::-1]:
                self._waiting.append((state, found))
        if self.progress is not None and exploration.states % PROGRESS_EVERY == 0:
            self.progress(exploration.states, exploration.transitions)

    def _found(self, state: _State, move: int) -> None:
        names = [name_of_move(choice) for choice in [*state.choices(), move]]
        self.exploration.counter_example = replay(self.exploration, names)

    def _find_stuck(self) -> None:
        """Is there a state from which no way leads to one where all clients are answered?"""
        before: list[list[int]] = [[] for _ in self._states]
        for start, end in self._edges:
            before[end].append(start)
        reached = [state.is_done for state in self._states]
        waiting = [state.number for state in self._states if state.is_done]
        while waiting:
            for number in before[waiting.pop()]:
                if not reached[number]:
                    reached[number] = True
                    waiting.append(number)
        for state in self._states:
            if not reached[state.number]:
                story = tell(self.exploration, state.choices())
                text = "whatever happens from here on, a client is never answered"
                names = [name_of_move(choice) for choice in state.choices()]
                self.exploration.counter_example = CounterExample(STUCK, text, [*story, text], names)
                return


def make_move_in(world: SmallWorld, move: int) -> bool:
    """Make a move; whether something is wrong then. What the engine itself refuses to believe is a fault as well."""
    try:
        perform(world, move)
    except Exception as error:
        world.judge.say(BROKEN, f"{type(error).__name__}: {error}")
    return world.judge.fault is not None


def explore(scenario: Scenario, mode: str, fences: bool, bound: str, progress: Progress | None = None) -> Exploration:
    """Everything that can happen in this world. A counter-example, if there is one, is the shortest."""
    exploration = Exploration(scenario, mode, fences, bound)
    search = Search(exploration, not fences, progress)
    search.run()
    found = exploration.counter_example
    if found is not None and fences and found.kind != STUCK:
        shorter = Exploration(scenario, mode, fences, bound)
        by_breadth = Search(shorter, True, progress)
        by_breadth.depth_max = len(found.choices) - 1
        by_breadth.run()
        if shorter.counter_example is not None and shorter.counter_example.kind != STUCK:
            exploration.counter_example = shorter.counter_example
    return exploration


def replay(exploration: Exploration, choices: list[str]) -> CounterExample | None:
    """The same run once more, told. None when nothing is wrong in it. ValueError when a choice cannot be made."""
    world = exploration.make_world(told=True)
    for name in choices:
        move = move_of_name(name)
        if move not in enabled(world):
            raise ValueError(f"{name!r} is not possible here")
        if make_move_in(world, move):
            break
    fault = world.judge.fault
    if fault is None:
        return None
    return CounterExample(fault.kind, fault.text, [*world.story.lines, f"fault: {fault.text}"], choices)


def tell(exploration: Exploration, moves: list[int]) -> list[str]:
    """The story of these moves."""
    world = exploration.make_world(told=True)
    for move in moves:
        make_move_in(world, move)
    return world.story.lines
