"""Where 6.16 differs from 6.12: which group is looked at first, which number is shown, and the probe of active paths."""

import pytest
from tests.dm.controls import begin_suspend, line, load, suspend, swap

from hawser.core.status import IOERR, MEDIUM, OK, TIMEOUT, TRANSPORT
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.dm.control import Control
from hawser.dm.dmsetup import brief as verbs
from hawser.dm.parameters import LINUX_6_12, LINUX_6_16, SEMANTICS, ParameterError, Parameters
from hawser.lab.world import Answer, Rig, World, make_multipath
from hawser.multipath.probe import GroupProbeListener
from hawser.multipath.target import Multipath

SLOW = Answer(delay_ns=10 * NS_PER_MS)


class Heard(GroupProbeListener):
    def __init__(self) -> None:
        self.answers: list[str] = []

    def group_probed(self, errno_name: str) -> None:
        self.answers.append(errno_name)


@pytest.fixture(params=["rq", "bio", "mq"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


def make(semantics: str, mode: str = "rq", groups: int = 2, **options) -> Rig:
    world = World()
    world.registry.parameters.set(SEMANTICS, semantics)
    return make_multipath(world, mode=mode, groups=groups, **options)


def target_of(rig: Rig) -> Multipath:
    target = rig.device.table.targets[0]
    assert isinstance(target, Multipath)
    return target


def probe(rig: Rig) -> Heard:
    """Begin a probe."""
    heard = Heard()
    group_probe = target_of(rig).group_probe
    assert group_probe is not None
    group_probe.ask(heard)
    assert heard.answers == [], "nobody is told within the call"
    return heard


def in_use(rig: Rig) -> Rig:
    """A read has made the first group the current one; what that has sent is forgotten."""
    rig.client.read(0, 512)
    rig.world.run()
    for path in rig.paths:
        path.driver.sent.clear()
    return rig


def sent(rig: Rig) -> list[int]:
    return [len(path.driver.sent) for path in rig.paths]


def number(rig: Rig) -> str:
    return rig.status().split()[8]


# What is the same.

STEPS = [
    "switch_group 2", "fail_path 259:2", "fail_path 259:3", "disable_group 1", "switch_group 1", "reinstate_path 259:2",
    "disable_group 2", "enable_group 1", "fail_path 259:0", "fail_path 259:1", "enable_group 2",
]  # fmt: skip


def test_without_a_probe_nothing_shows_the_difference(mode: str):
    """A switch leaves the current group at once, so that it does not matter which of the two is looked at first."""
    seen: list[list[str]] = []
    for semantics in (LINUX_6_12, LINUX_6_16):
        rig = make(semantics, mode)
        said = [rig.status()]
        for step in STEPS:
            rig.message(step)
            said.append(rig.status())
            rig.client.read(0, 512)
            rig.world.run()
            said.append(f"{rig.status()} {verbs.table(rig.world.registry, 'mpatha')} {sent(rig)}")
        seen.append(said)
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > len(STEPS)


# What is not.


@pytest.mark.parametrize(
    ("semantics", "group", "shown"),
    [(LINUX_6_12, 2, "2"), (LINUX_6_16, 1, "1")],
)
def test_which_group_comes_first_and_is_shown_when_there_is_both_a_current_and_a_next_one(
    semantics: str, group: int, shown: str, mode: str
):
    """Set as no message leaves it, but a probe does."""
    rig = in_use(make(semantics, mode))
    state = target_of(rig).state
    state.next_group = state.groups[1]
    assert (number(rig), verbs.table(rig.world.registry, "mpatha").split(" round-robin")[0][-1]) == (shown, shown)
    rig.client.read(0, 512)
    rig.world.run()
    assert state.current is state.groups[group - 1]
    assert (state.next_group is None) == (semantics == LINUX_6_12), "what was not needed is not used up"


def test_the_next_group_is_used_when_the_current_one_has_no_path_left(mode: str):
    rig = in_use(make(LINUX_6_16, mode, groups=3))
    state = target_of(rig).state
    state.next_group = state.groups[2]
    for path in ("259:0", "259:1"):
        rig.message(f"fail_path {path}")
    rig.client.read(0, 512)
    rig.world.run()
    assert (number(rig), state.current is state.groups[2], state.next_group is None) == ("3", True, True)


# The probe.


def test_a_probe_reads_one_block_by_each_active_path_of_the_current_group(mode: str):
    rig = in_use(make(LINUX_6_16, mode, paths=3))
    rig.message("fail_path 259:1")
    heard = probe(rig)
    rig.world.run()
    assert heard.answers == [""]
    assert [path.driver.sent for path in rig.paths] == [[(0, 0, 512)], [], [(0, 0, 512)], [], [], []]
    assert rig.letters() == "AFAAAA"
    assert rig.at_rest()


def test_one_after_the_other(mode: str):
    rig = in_use(make(LINUX_6_16, mode))
    rig.paths[0].driver.script.append(SLOW)
    heard = probe(rig)
    rig.world.settle()
    assert (sent(rig), heard.answers) == ([1, 0, 0, 0], [])
    rig.world.run()
    assert (sent(rig), heard.answers) == ([1, 1, 0, 0], [""])


@pytest.mark.parametrize(("status", "letters"), [(TRANSPORT, "FA"), (TIMEOUT, "FA"), (IOERR, "FA"), (MEDIUM, "AA")])
def test_what_fails_by_its_own_fault_is_failed(status: int, letters: str, mode: str):
    rig = in_use(make(LINUX_6_16, mode, groups=1))
    rig.paths[0].driver.script.append(Answer(status))
    heard = probe(rig)
    rig.world.run()
    assert (rig.letters(), heard.answers, sent(rig)) == (letters, [""], [1, 1])
    assert rig.device.event_nr == letters.count("F")


def test_an_error_that_is_the_answer_of_a_server_fails_no_path(mode: str):
    rig = in_use(make(LINUX_6_16, mode, groups=1))
    rig.paths[0].driver.answers_are_final = True
    rig.paths[0].driver.script.append(Answer(IOERR))
    heard = probe(rig)
    rig.world.run()
    assert (rig.letters(), heard.answers) == ("AA", [""])


def test_without_any_path_left_it_says_so(mode: str):
    rig = in_use(make(LINUX_6_16, mode, groups=1))
    for path in rig.paths:
        path.driver.script.append(Answer(TRANSPORT))
    heard = probe(rig)
    rig.world.run()
    assert (rig.letters(), heard.answers) == ("FF", ["ENOTCONN"])
    rig.client.read(0, 512)
    rig.world.run()
    again = probe(rig)
    rig.world.run()
    assert (again.answers, sent(rig)) == (["ENOTCONN"], [1, 1]), "and nobody is asked"


def test_paths_of_another_group_are_left(mode: str):
    """The group has no path left then, but the map has."""
    rig = in_use(make(LINUX_6_16, mode, paths=1))
    rig.paths[0].driver.script.append(Answer(TRANSPORT))
    heard = probe(rig)
    rig.world.run()
    assert (rig.letters(), heard.answers, sent(rig)) == ("FA", [""], [1, 0])


def test_before_the_first_io_there_is_nothing_to_probe(mode: str):
    rig = make(LINUX_6_16, mode)
    heard = probe(rig)
    rig.world.run()
    assert (heard.answers, sent(rig)) == ([""], [0, 0, 0, 0])


@pytest.mark.parametrize("message", ["switch_group 2", "disable_group 1"])
def test_a_switch_waits_until_the_probe_is_over(message: str, mode: str):
    rig = in_use(make(LINUX_6_16, mode))
    rig.paths[0].driver.script.append(SLOW)
    heard = probe(rig)
    rig.world.settle()
    rig.message(message)
    assert number(rig) == "1"
    rig.client.read(8, 512)
    rig.world.settle()
    assert rig.device.event_nr == 1
    assert sum(sent(rig)[:2]) == 2 and sent(rig)[2:] == [0, 0], "the group is still in use"
    rig.world.run()
    assert heard.answers == [""]
    assert number(rig) == ("2" if message.startswith("switch") else "1")
    rig.client.read(8, 512)
    rig.world.run()
    assert (number(rig), sum(sent(rig)[2:])) == ("2", 1)
    assert rig.at_rest()


def test_under_the_rules_of_6_12_there_is_no_probe_and_a_switch_is_at_once(mode: str):
    rig = in_use(make(LINUX_6_12, mode))
    assert target_of(rig).group_probe is None
    rig.message("switch_group 2")
    assert (number(rig), target_of(rig).state.current) == ("2", None)


def test_who_asks_meanwhile_gets_the_same_result(mode: str):
    rig = in_use(make(LINUX_6_16, mode))
    rig.paths[0].driver.script.append(SLOW)
    first = probe(rig)
    rig.world.settle()
    second = probe(rig)
    rig.world.run()
    assert (first.answers, second.answers, sent(rig)) == ([""], [""], [1, 1, 0, 0])


def test_who_asks_when_another_group_is_in_use_has_that_one_probed(mode: str):
    """The first group dies during its probe, and I/O goes on by the second."""
    rig = in_use(make(LINUX_6_16, mode))
    rig.paths[0].driver.script.append(SLOW)
    first = probe(rig)
    rig.world.settle()
    for path in ("259:0", "259:1"):
        rig.message(f"fail_path {path}")
    rig.client.read(8, 512)
    rig.world.settle()
    second = probe(rig)
    assert number(rig) == "2"
    rig.world.run()
    assert (first.answers, second.answers) == ([""], [""])
    # One read of the client's; then each path of the second group is asked.
    assert sent(rig)[:2] == [1, 0] and sum(sent(rig)[2:]) == 3


@pytest.mark.parametrize("noflush", [False, True])
def test_a_suspend_ends_a_probe_and_a_suspended_map_has_none(noflush: bool, mode: str):
    rig = in_use(make(LINUX_6_16, mode))
    rig.paths[0].driver.script.append(SLOW)
    heard = probe(rig)
    rig.world.settle()
    begin_suspend(rig.device, noflush)
    rig.world.run()
    assert (heard.answers, sent(rig)) == ([""], [1, 0, 0, 0])
    during = probe(rig)
    rig.world.run()
    assert (during.answers, sent(rig)) == ([""], [1, 0, 0, 0])
    rig.device.resume()
    after = probe(rig)
    rig.world.run()
    assert (after.answers, sent(rig)) == ([""], [2, 1, 0, 0])
    assert rig.at_rest()


def test_an_answer_that_comes_after_the_table_has_gone_fails_nothing(mode: str):
    rig = in_use(make(LINUX_6_16, mode))
    rig.paths[0].driver.script.append(Answer(TRANSPORT, delay_ns=10 * NS_PER_MS))
    heard = probe(rig)
    rig.world.settle()
    swap(rig, line(rig, [[0, 1], [2, 3]], mode))
    rig.world.run()
    assert (heard.answers, rig.letters(), rig.device.event_nr) == ([""], "AAAA", 0)


def test_io_flows_while_paths_are_probed(mode: str):
    rig = in_use(make(LINUX_6_16, mode))
    rig.paths[0].driver.script.append(Answer(delay_ns=NS_PER_S))
    probe(rig)
    reads = [rig.client.read(place * 8, 512) for place in range(4)]
    rig.world.pass_time(10 * NS_PER_MS)
    assert [read.status for read in reads if read.finished] == [OK] * 4
    rig.world.run()
    assert rig.at_rest()


# The setting.


def test_a_table_keeps_the_rules_under_which_it_was_loaded(mode: str):
    rig = make(LINUX_6_12, mode)
    rig.world.registry.parameters.set(SEMANTICS, LINUX_6_16)
    assert target_of(rig).group_probe is None
    load(rig.world, rig.device, line(rig, [[0, 1], [2, 3]], mode))
    rig.world.registry.parameters.set(SEMANTICS, LINUX_6_12)
    suspend(rig.world, rig.device)
    rig.device.resume()
    assert target_of(rig).group_probe is not None


@pytest.mark.parametrize(("semantics", "version"), [(LINUX_6_12, "1.14.0"), (LINUX_6_16, "1.15.0")])
def test_the_version_of_the_target_is_that_of_the_release(semantics: str, version: str):
    rig = make(semantics)
    control = Control(rig.world.registry)
    assert control.versions["multipath"] == version
    rig.world.registry.parameters.set(SEMANTICS, LINUX_6_12)
    assert control.versions["multipath"] == "1.14.0", "as it is now"
    assert target_of(rig).status_ima().startswith(f"target_name=multipath,target_version={version},")


def test_parameters_have_the_names_of_a_kernels_command_line():
    parameters = Parameters()
    assert parameters.get(SEMANTICS) == LINUX_6_12
    parameters.assign("dm_multipath.queue_if_no_path_timeout_secs=30")
    parameters.assign("dm_multipath.semantics=6.16")
    assert (parameters.get("dm_multipath.queue_if_no_path_timeout_secs"), parameters.get(SEMANTICS)) == ("30", "6.16")
    for wrong in (
        "dm_multipath.queue_if_no_path_timeout_secs=-1",
        "dm_multipath.queue_if_no_path_timeout_secs=18446744073709551616",
        "dm_multipath.queue_if_no_path_timeout_secs=soon",
        "dm_multipath.semantics=6.13",
        "dm_multipath.semantics",
        "dm_mod.nothing=1",
        "",
    ):
        with pytest.raises(ParameterError):
            parameters.assign(wrong)
    with pytest.raises(ParameterError):
        parameters.get("dm_mod.nothing")
    assert (parameters.queue_if_no_path_timeout_secs, parameters.is_6_16()) == (30, True)
