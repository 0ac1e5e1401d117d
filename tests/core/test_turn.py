"""The turn: deferred work runs in order, within a budget, and what it defers runs too."""

from hawser.core.turn import Turn, Work


class Step(Work):
    def __init__(self, turn: Turn, heard: list[str], name: str, children: list["Step"] | None = None) -> None:
        self.turn = turn
        self.heard = heard
        self.name = name
        self.children = children or []

    def run(self) -> None:
        self.heard.append(self.name)
        for child in self.children:
            self.turn.defer(child)


def test_work_runs_first_in_first_out_and_its_own_work_behind_it():
    turn = Turn()
    heard: list[str] = []
    turn.defer(Step(turn, heard, "a", [Step(turn, heard, "c")]))
    turn.defer(Step(turn, heard, "b"))
    assert turn.pending()
    assert turn.drain()
    assert heard == ["a", "b", "c"]
    assert not turn.pending()


def test_work_deferred_twice_runs_twice():
    turn = Turn()
    heard: list[str] = []
    step = Step(turn, heard, "a")
    turn.defer(step)
    turn.defer(step)
    assert turn.drain()
    assert heard == ["a", "a"]


def test_the_budget_leaves_the_rest_for_the_next_turn():
    turn = Turn()
    heard: list[str] = []
    for number in range(5):
        turn.defer(Step(turn, heard, str(number)))
    assert not turn.drain(budget=3)
    assert heard == ["0", "1", "2"]
    assert turn.drain(budget=2)
    assert heard == ["0", "1", "2", "3", "4"]


class Endless(Work):
    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.runs = 0

    def run(self) -> None:
        self.runs += 1
        self.turn.defer(self)


def test_work_that_never_ends_does_not_hold_the_turn_for_ever():
    turn = Turn()
    endless = Endless(turn)
    turn.defer(endless)
    assert not turn.drain(budget=100)
    assert endless.runs == 100
