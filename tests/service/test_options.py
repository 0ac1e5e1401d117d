"""From options to a multipath table."""

import pytest

from hawser.block.dispatch import DEPTH_DEFAULT
from hawser.core.units import MIB, NS_PER_S
from hawser.lab.world import Store, World
from hawser.manager.policy import Policy
from hawser.paths.uri import parse_path_uri
from hawser.service.options import OptionError, ServeOptions, build_table

DEVTS = ["259:0", "259:1", "259:2"]


def options(*paths: str, **rest) -> ServeOptions:
    return ServeOptions([parse_path_uri(path) for path in paths], [], **rest)


def table(*paths: str, **rest) -> str:
    return build_table(options(*paths, **rest), DEVTS[: len(paths)], 2048)


def test_paths_that_share_a_cache_are_one_group():
    expected = "0 2048 multipath 1 queue_if_no_path 0 1 1 service-time 0 2 2 259:0 1 1 259:1 1 1"
    assert table("/a", "/b") == expected
    assert table("nbd://h/a?cache=lun", "nbd://h/b?cache=none") == expected


def test_paths_with_caches_of_their_own_are_a_group_each():
    assert table("nbd://h/a", "nbd://i/a") == (
        "0 2048 multipath 1 queue_if_no_path 0 2 1 service-time 0 1 2 259:0 1 1 service-time 0 1 2 259:1 1 1"
    )
    assert options("/a", "nbd://i/a").grouped() == [[0], [1]], "one of them is enough"


def test_grouping_may_be_said():
    assert options("/a", "/b", grouping="failover").grouped() == [[0], [1]]
    assert options("nbd://h/a", "nbd://i/a", grouping="multibus").grouped() == [[0, 1]], "the table will refuse it"


def test_groups_may_be_stated_by_number():
    stated = options("/a?", "ram:?group=7", "ram:?group=2", grouping="multibus")
    with pytest.raises(OptionError, match=r"path '/a\?' states no group; give group=N to every path or to none"):
        stated.grouped()
    assert options("ram:?group=7", "ram:?group=2", "ram:?group=7").grouped() == [[1], [0, 2]]


def test_weights_are_throughputs_of_service_time_and_unknown_to_others():
    assert "259:0 1 5 259:1 1 0" in table("ram:?weight=5", "ram:?weight=0")
    assert table("ram:?weight=5", selector="round-robin 0").endswith("round-robin 0 1 1 259:0 1")
    assert table("ram:", selector="queue-length 0").endswith("queue-length 0 1 1 259:0 1")
    assert table("ram:", selector="historical-service-time 1 7").endswith("historical-service-time 1 7 1 1 259:0 1")


def test_with_io_affinity_each_path_of_a_group_has_a_connection_of_its_own():
    assert table("ram:", "ram:", "ram:", selector="io-affinity 0").endswith("io-affinity 0 3 1 259:0 1 259:1 2 259:2 4")
    alone = table("ram:", "ram:", selector="io-affinity 0", grouping="failover")
    assert alone.endswith("0 2 1 io-affinity 0 1 1 259:0 1 io-affinity 0 1 1 259:1 1")


@pytest.mark.parametrize("selector", ["historical-service-time 1 1024", "historical-service-time 3 1 2 3"])
def test_arguments_that_the_selector_refuses_are_said(selector: str):
    with pytest.raises(OptionError, match=f"selector '{selector}': base weight from 0 to 1023|more than two arguments"):
        table("ram:", selector=selector)


@pytest.mark.parametrize(
    ("timeout_ns", "features"), [(None, "1 queue_if_no_path"), (60 * NS_PER_S, "1 queue_if_no_path"), (0, "0")]
)
def test_whether_io_queues_is_a_feature(timeout_ns: int | None, features: str):
    assert table("ram:", policy=Policy(timeout_ns)).startswith(f"0 2048 multipath {features} 0 1 1 ")


@pytest.mark.parametrize("mode", ["bio", "mq"])
def test_the_queue_mode_is_a_feature_unless_it_is_the_usual_one(mode: str):
    assert f"3 queue_if_no_path queue_mode {mode} 0" in table("ram:", queue_mode=mode)
    assert "queue_mode" not in table("ram:", queue_mode="rq")


@pytest.mark.parametrize("selector", ["dice 0", "", " "])
def test_an_unknown_selector_is_named_with_those_that_there_are(selector: str):
    with pytest.raises(OptionError) as caught:
        table("ram:", selector=selector)
    for word in (repr(selector), "queue-length", "round-robin", "service-time"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "selector",
    [
        "service-time 0",
        "round-robin 0",
        "queue-length 0",
        "historical-service-time 0",
        "historical-service-time 2 512 3",
        "io-affinity 0",
    ],
)
@pytest.mark.parametrize("mode", ["rq", "bio", "mq"])
@pytest.mark.parametrize("grouping", ["failover", "multibus"])
def test_every_table_that_is_built_can_be_loaded(selector: str, mode: str, grouping: str):
    world = World()
    for number in range(3):
        world.ram_path(f"p{number}", Store(MIB), DEPTH_DEFAULT)
    line = table("ram:", "ram:", "ram:", selector=selector, queue_mode=mode, grouping=grouping)
    assert world.mapped("mpatha", line).size_sectors == 2048
