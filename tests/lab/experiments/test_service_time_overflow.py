"""The sign of service-time with Linux's numbers: where it flips, what it does, that seeds find it, and what a kernel did."""

import json
import subprocess
import sys
from fractions import Fraction

import pytest
from click.testing import CliRunner

from hawser.cli.main import main
from hawser.core.units import GIB, KIB, MIB
from hawser.lab.experiments.base import Findings
from hawser.lab.experiments.service_time_overflow import ServiceTimeOverflow
from hawser.lab.experiments.service_time_states import cases_of, found_interval, should_flip, wanted_interval
from hawser.lab.model.flips import BLOCK, Chooser, Shrinker, State, draw, flips, hunt, regret, shrink
from hawser.lab.model.service_time_int32 import NAME as INT32
from hawser.lab.model.service_time_int32 import as_int, compare_in_ints
from hawser.lab.recordings import OVERFLOW, RecordingError, differing, played, recorded, recording_of, script
from hawser.lab.world import Store, World
from hawser.multipath.path import Path, PriorityGroup
from hawser.multipath.selectors.base import SELECTORS
from hawser.multipath.selectors.service_time import compare

SHIPPED = "service-time"


class Quick(ServiceTimeOverflow):
    depths = (20, 21, 41, 64)
    calm = (24,)
    modes = ("rq",)
    sizes = (MIB,)
    weights = (85, 86, 100)
    tags = (20, 21)
    seeds = 400
    shrunk = 4


@pytest.fixture(scope="module")
def found() -> Findings:
    return Quick().run()


def broken(findings: Findings) -> list[str]:
    return [claim.text for claim in findings.claims if not claim.holds()]


def test_what_was_claimed_holds(found: Findings):
    assert broken(found) == []
    assert len(found.claims) == 15


def test_the_claims_fail_when_the_shipped_one_has_the_kernels_arithmetic():
    assert broken(Quick(shipped=INT32).run()) == [
        "pairs of weights with no flip as shipped",
        "depths at which the shipped one leaves the fast path idle",
        "least gain over the trap in throughput",
        "states in which the shipped one does",
        "states that the two judge differently, without a flip",
        "cases in which the shipped one leaves it alone",
    ]


def test_the_claims_fail_when_the_kernels_one_is_exact():
    wrong = broken(Quick(kernels=SHIPPED).run())
    for part in (
        "intervals that are the derived ones",
        "depths trapped that should not be",
        "least gain",
        "longest median latency",
        "least weight that traps",
        "takes a worse path",
        "that shrink to the least state",
        "makes hawser print something else",
    ):
        assert any(part in text for text in wrong), part
    # What was recorded is what it was.
    assert not any("in which the kernel" in text for text in wrong)


def test_its_data_is_plain_and_has_the_course_of_both(found: Findings):
    json.dumps(found.records)
    assert {record["selector"] for record in found.records} == {SHIPPED, INT32}
    assert [series.name for series in found.curves[0].series] == [f"{INT32}, rq", f"{SHIPPED}, rq"]
    assert all(len(series.ys) == len(Quick.depths) for series in found.curves[0].series)


# The numbers.


def paths(loads: list[int], weights: list[int]) -> list[Path]:
    world = World()
    group = PriorityGroup(1, SELECTORS[INT32]([]))
    made = [Path(world.ram_path(f"p{number}", Store(512)).device, group) for number in range(len(loads))]
    for path, load, weight in zip(made, loads, weights, strict=True):
        path.in_flight_bytes = load
        path.relative_throughput = weight
    return made


def test_what_an_int_keeps():
    assert [as_int(value) for value in (0, 2**31 - 1, 2**31, 2**32 - 1, 2**32, -(2**31), -(2**31) - 1)] == [
        *(0, 2**31 - 1, -(2**31), -1, 0, -(2**31), 2**31 - 1)
    ]


@pytest.mark.parametrize(
    ("loads", "weights", "size", "sign"),
    [
        # The second path is the better one in all of these.
        ([20 * MIB, 0], [1, 100], 4 * KIB, 1),
        ([21 * MIB, 0], [1, 100], 4 * KIB, -1),
        ([42 * MIB, 0], [1, 100], 4 * KIB, 1),
        ([20 * MIB, 0], [1, 100], MIB, -1),
        # 2^31 and 2^32 exactly.
        ([21_426_176, 0], [1, 100], 48 * KIB, -1),
        ([42_903_040, 0], [1, 100], 46 * KIB, 0),
        # With equal weights it is the bytes.
        ([2 * GIB - 512, 0], [1, 1], 4 * KIB, 1),
        ([2 * GIB + 512, 0], [1, 1], 4 * KIB, -1),
        ([4 * GIB, 0], [1, 1], 4 * KIB, 0),
        # A counter of more than 2 GiB is below 0, which a size_t takes for very many: both lose their low bits.
        ([3 * GIB, 4 * MIB], [1, 4], 4 * KIB, as_int((2**64 - GIB + 4096 >> 7) * 4 - (4 * MIB + 4096 >> 7))),
        # Weights of 0, and what is equal.
        ([64 * MIB, 0], [0, 100], 4 * KIB, 100),
        ([MIB, MIB], [1, 100], 4 * KIB, 99),
    ],
)
def test_the_comparison_in_ints(loads: list[int], weights: list[int], size: int, sign: int):
    first, second = paths(loads, weights)
    told = compare_in_ints(first, second, size)
    assert (told > 0) - (told < 0) == (sign > 0) - (sign < 0)
    assert compare(first, second, size) > 0


def test_up_to_an_int_both_selectors_are_one():
    """Wherever no difference leaves an int, they say the same, to the number."""
    asked = 0
    for seed in range(300):
        state = draw(seed)
        made = paths([state.load(number) for number in range(len(state.weights))], state.weights)
        for first in made:
            for second in made:
                exact = compare(first, second, state.size)
                if abs(exact) < 2**31:
                    asked += 1
                    assert compare_in_ints(first, second, state.size) == exact
    assert asked > 1000


@pytest.mark.parametrize(("slow", "fast", "size"), [(1, 100, 4 * KIB), (3, 87, MIB), (50, 100, 512), (1, 1, 4 * KIB)])
def test_the_interval_is_the_derived_one_to_the_sector(slow: int, fast: int, size: int):
    assert found_interval(Chooser(INT32), slow, fast, size) == wanted_interval(slow, fast, size)
    assert found_interval(Chooser(SHIPPED), slow, fast, size) is None


# Seeds.


def test_fractions_say_who_is_right():
    for seed in range(200):
        state = draw(seed)
        costs = [Fraction(state.load(number) + state.size, weight) for number, weight in enumerate(state.weights)]
        for number, cost in enumerate(costs):
            assert regret(state, number) == (cost > min(costs))


def test_seeds_find_flips_and_none_as_shipped():
    hunted = hunt(Chooser(INT32), Chooser(SHIPPED), 0, 400)
    assert len(hunted.flips) >= 10
    assert (hunted.states, hunted.others_flips, hunted.differ) == (400, 0, len(hunted.flips))
    assert hunt(Chooser(SHIPPED), Chooser(INT32), 0, 400).others_flips == len(hunted.flips)


def test_a_flip_shrinks_to_the_least_state_always_the_same():
    chooser = Chooser(INT32)
    seed = hunt(chooser, chooser, 0, 50).flips[0]
    small = shrink(chooser, draw(seed))
    assert small.text() == shrink(chooser, draw(seed)).text()
    assert sorted(small.weights) == [1, 100]
    assert (small.ios(), small.total(), small.size) == (21, 21_471_232, BLOCK)
    # Nothing of it can go.
    for number in range(2):
        for place, size in enumerate(small.in_flight[number]):
            fewer, less = small.copy(), small.copy()
            del fewer.in_flight[number][place]
            less.in_flight[number][place] = size - BLOCK
            assert not flips(chooser, fewer)
            assert not flips(chooser, less)


def test_what_does_not_flip_cannot_be_shrunk():
    with pytest.raises(ValueError, match="is right about this state: weight 1: idle; weight 2: 1 I/Os, 4,096 bytes"):
        Shrinker(Chooser(INT32), State([1, 2], [[], [4096]], 4096))
    with pytest.raises(ValueError, match="no selector 'nosuch'"):
        Chooser("nosuch")


def test_tables_that_are_served_cannot_name_it():
    program = (
        "import hawser.cli.main, hawser.cli.serve, hawser.service.gateway, hawser.lab.batch\n"
        "from hawser.multipath.selectors.base import selector_names\n"
        "print(*selector_names())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    names = done.stdout.split()
    assert SHIPPED in names
    assert INT32 not in names


# The kernel.


def test_the_kernel_took_the_path_that_arithmetic_says():
    cases = cases_of(recorded(OVERFLOW).said)
    assert len(cases) == 18
    assert [case.took_slow for case in cases] == [should_flip(case.load, case.size) for case in cases]
    assert sum(case.took_slow for case in cases) == 9


def test_with_the_kernels_arithmetic_hawser_prints_what_linux_has_printed_and_without_it_only_flips_differ():
    linux = recorded(OVERFLOW).said
    assert differing(linux, played(script(OVERFLOW), (SHIPPED, INT32))) == []
    ours = played(script(OVERFLOW))
    differ = differing(linux, ours)
    # The status behind the read, and what each path was sent.
    assert len(differ) == 2 * sum(case.took_slow for case in cases_of(linux))
    assert {" ".join(linux[number].words[:2]) for number in differ} == {"dmsetup status", "iostat delta"}


def test_a_recording_of_another_script_is_refused():
    text = script(OVERFLOW)
    transcript = "\n".join(
        json.dumps(line) for line in [{"devices": {}, "kernel": "6.12", "dmsetup": "1"}, *([{"cmd": ["dmsetup"]}] * 3)]
    )
    with pytest.raises(RecordingError, match="commands 3 were recorded"):
        recording_of(text, transcript)
    with pytest.raises(RecordingError, match="line 1: it was dmsetup that was recorded"):
        recording_of("ls\nls\nls\n", transcript)
    with pytest.raises(RecordingError, match="line 1: create a"):
        played("create a --table '0 8 nosuch'\n")


def test_the_scripts_run_as_a_batch():
    done = CliRunner().invoke(main, ["dm", "--batch", "-", "--echo"], input=script("life"))
    assert done.exit_code == 0, done.stderr
    assert "# dmsetup suspend --noflush mp" in done.stdout
