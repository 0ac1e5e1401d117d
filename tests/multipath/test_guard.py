"""The guard before a selector of somebody else's: its choice counts, until it makes a mistake."""

from hawser.lab.world import Store, World
from hawser.multipath.path import Path, PriorityGroup
from hawser.multipath.selectors.base import PathSelector
from hawser.multipath.selectors.guard import Guard


class Last(PathSelector):
    """The last one, for as long as it is `well`."""

    well = True

    def select(self, size: int) -> Path | None:
        return self.valid[-1] if self.well else None


def make() -> tuple[Guard, Last]:
    inner = Last()
    guard = Guard("last", inner, "a test's")
    world = World()
    group = PriorityGroup(1, guard)
    for number in range(3):
        guard.add_path(Path(world.ram_path(f"p{number}", Store(512)).device, group), [])
    return guard, inner


def chosen(guard: Guard) -> str:
    path = guard.select(4096)
    assert path is not None
    return path.device.devt


def test_its_choice_counts():
    guard, _ = make()
    assert [chosen(guard) for _ in range(3)] == ["259:2"] * 3


def test_after_a_mistake_paths_take_turns_whatever_it_would_say():
    guard, inner = make()
    inner.well = False
    assert chosen(guard) == "259:0"
    inner.well = True
    assert [chosen(guard) for _ in range(3)] == ["259:1", "259:2", "259:0"]
    assert [text for _, text in guard.log.lines if "no path" in text]


def test_it_bears_the_name_that_tables_give_it():
    guard, inner = make()
    assert inner.name == "last"
    assert guard.explain(guard.valid[0], 4096) == "last: of 259:0, 259:1, 259:2"
