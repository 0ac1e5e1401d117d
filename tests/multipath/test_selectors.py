"""Path selectors against the golden vectors of the kernel's rules (`seeds.md` 3.16)."""

import pytest

from hawser.lab.world import Store, World
from hawser.multipath import grammar
from hawser.multipath.path import Path, PriorityGroup
from hawser.multipath.selectors.base import SELECTORS, PathSelector

MODULES = grammar.SELECTOR_MODULES


def make(name: str, words: list[str]) -> tuple[PathSelector, list[Path]]:
    """A selector with one path per entry of `words`, its words of the table."""
    world = World()
    selector = SELECTORS[name]([])
    group = PriorityGroup(1, selector)
    paths = [Path(world.ram_path(f"p{number}", Store(512)).device, group) for number in range(len(words))]
    for path, text in zip(paths, words, strict=True):
        selector.add_path(path, text.split())
    return selector, paths


def picks(selector: PathSelector, paths: list[Path], count: int, size: int = 4096) -> list[int]:
    """Choose and start `count` I/Os, none of which ends."""
    chosen = []
    for _ in range(count):
        path = selector.select(size)
        assert path is not None
        selector.start_io(path, size)
        chosen.append(paths.index(path))
    return chosen


def test_round_robin():
    assert picks(*make("round-robin", ["", "", ""]), 7) == [0, 1, 2, 0, 1, 2, 0]


def test_round_robin_uses_a_reinstated_path_next():
    selector, paths = make("round-robin", ["", "", ""])
    picks(selector, paths, 1)
    selector.fail_path(paths[2])
    assert picks(selector, paths, 2) == [1, 0]
    selector.reinstate_path(paths[2])
    assert picks(selector, paths, 4) == [2, 1, 0, 2]


def test_queue_length():
    assert picks(*make("queue-length", [""] * 4), 10) == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]


def test_queue_length_from_given_counts():
    selector, paths = make("queue-length", [""] * 3)
    for path, count in zip(paths, [3, 0, 1], strict=True):
        path.in_flight = count
    assert picks(selector, paths, 8) == [1, 2, 1, 2, 1, 0, 2, 1]


def test_queue_length_counts_down_and_a_reinstated_path_goes_to_the_tail():
    selector, paths = make("queue-length", [""] * 3)
    picks(selector, paths, 3)
    for path in paths:
        selector.end_io(path, 4096, 0)
    selector.fail_path(paths[0])
    selector.reinstate_path(paths[0])
    assert picks(selector, paths, 3) == [1, 2, 0]


def test_service_time_shares_by_weight():
    selector, paths = make("service-time", ["1 1", "1 2", "1 4"])
    chosen = picks(selector, paths, 70)
    assert chosen == [2, 2, 1, 2, 2, 1, 0] * 10
    assert [chosen.count(number) for number in range(3)] == [10, 20, 40]


@pytest.mark.parametrize(
    ("weights", "golden"),
    [([4, 1], [0, 0, 0, 0, 1] * 4), ([0, 1], [1] * 20), ([0, 0], [0, 1] * 5), ([1, 1], [0, 1] * 5)],
)
def test_service_time_of_two(weights: list[int], golden: list[int]):
    selector, paths = make("service-time", [f"1 {weight}" for weight in weights])
    assert picks(selector, paths, len(golden)) == golden


def test_service_time_uses_a_path_of_weight_0_when_no_other_is_left():
    selector, paths = make("service-time", ["1 0", "1 1"])
    selector.fail_path(paths[1])
    assert picks(selector, paths, 2) == [0, 0]


def test_service_time_takes_sizes_into_account():
    selector, paths = make("service-time", ["", ""])
    assert picks(selector, paths, 1, 1 << 20) == [0]
    assert picks(selector, paths, 3, 4096) == [1, 1, 1]
    assert selector.info_words(paths[1]) == "12288 1"
    selector.end_io(paths[0], 1 << 20, 0)
    assert picks(selector, paths, 1, 4096) == [0]


def test_service_time_does_not_overflow():
    selector, paths = make("service-time", ["1 99", "1 100"])
    paths[0].in_flight_bytes = 1 << 62
    assert picks(selector, paths, 3) == [1, 1, 1]


def test_those_of_linux_are_there():
    assert set(SELECTORS) >= {
        "round-robin",
        "queue-length",
        "service-time",
        "historical-service-time",
        "io-affinity",
    }


@pytest.mark.parametrize("module", MODULES)
def test_without_a_valid_path_there_is_none(module):
    name = module.__name__.rpartition(".")[2].replace("_", "-")
    selector, paths = make(name, ["1", "2"])
    for path in paths:
        selector.fail_path(path)
    assert selector.select(4096) is None
    selector.reinstate_path(paths[1])
    assert picks(selector, paths, 3) == [1, 1, 1]


def test_every_path_is_in_the_reason():
    """Whoever reads a trace wants to know of the others, too."""
    for name in ("round-robin", "queue-length", "service-time", "historical-service-time", "io-affinity"):
        selector, paths = make(name, ["1", "2", "4"] if name == "io-affinity" else [""] * 3)
        picks(selector, paths, 3)
        chosen = selector.select(4096)
        assert chosen is not None
        text = selector.explain(chosen, 4096)
        named = [path for path in paths if path.device.devt in text]
        assert len(named) == (2 if name == "round-robin" else 3), text
    selector, paths = make("round-robin", ["", "", ""])
    assert picks(selector, paths, 1) == [0]
    assert selector.explain(paths[0], 4096) == "round-robin: its turn, then those of 259:1, 259:2"
    selector, paths = make("round-robin", [""])
    assert selector.explain(paths[0], 4096) == "round-robin: the only one"


def test_a_selector_that_does_not_say_why_shows_what_status_prints():
    class Plain(PathSelector):
        def info_words(self, path: Path) -> str:
            return f"{self.valid.index(path)} x"

    selector = Plain()
    selector.name = "plain"
    group = PriorityGroup(1, selector)
    world = World()
    for number in range(2):
        selector.add_path(Path(world.ram_path(f"p{number}", Store(512)).device, group), [])
    assert selector.explain(selector.valid[1], 4096) == "plain: of 259:0 0 x, 259:1 1 x"
