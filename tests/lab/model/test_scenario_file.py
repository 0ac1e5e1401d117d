"""Scenario files: the words of hawser.lab.model.scenario, what is refused and how, and the way back."""

import json

import pytest

from hawser.core.units import GIB, KIB
from hawser.lab.model.scenario import Fault, LoadModel, MapModel, PathModel, Scenario, ScenarioError
from hawser.lab.model.scenario_file import copy_of, loads, of_plain, plain

GRAY = """
name = "gray"
hypothesis = "a selector that looks at latency does without a path that has become slow"
size = "1G"
seconds = 10
warm-up = 1
seeds = 8

[array]
paths = 4
fixed-us = 100
mb-per-s = 400

[path.3]
fixed-us = 400.5
words = "1"

[path.0]
words = "1"
[path.1]
words = "2"
[path.2]
words = "1"

[map]
mode = "rq"
scheduler = "mq-deadline"
merge-deadline-us = 20
features = "queue_if_no_path pg_init_retries 3"

[manager]
polling = 0.5
marginal = false

[[load]]
pattern = "random"
depth = 8
size = ["4k", 65536]

[[load]]
name = "reader"
rate = 250.5

[[fault]]
kind = "slow"
path = [0]
at = 3
for = 4
factor = 30

[[fault]]
kind = "message"
path = 1
at = 5
words = "fail_path {p0}"

[over]
selector = ["service-time 0", "historical-service-time 0"]
depth = [1, 8]
path.3.fixed-us = [400.5, 100]
load.0.size = [["4k", "8k"], 512]
marginal = [true, false]
"""


def test_every_word_has_its_field():
    scenario = loads(GRAY)
    assert (scenario.name, scenario.seconds, scenario.warm_up_s, scenario.seeds) == ("gray", 10.0, 1.0, 8)
    assert scenario.size_bytes == GIB
    assert [path.fixed_ns for path in scenario.paths] == [100_000, 100_000, 100_000, 400_500]
    assert [path.words for path in scenario.paths] == ["1", "2", "1", "1"]
    assert {path.ns_per_kib for path in scenario.paths} == {2560}
    assert scenario.map == MapModel(
        scheduler="mq-deadline", merge_deadline_ns=20_000, features="queue_if_no_path pg_init_retries 3"
    )
    assert scenario.manager.polling_ns == 500_000_000
    assert scenario.manager.marginal is False
    closed, open_ = scenario.loads
    assert (closed.depth, closed.rate, closed.sizes) == (8, 0.0, [4 * KIB, 64 * KIB])
    assert (open_.name, open_.depth, open_.rate) == ("reader", 0, 250.5)
    assert scenario.faults == [
        Fault(3_000_000_000, "slow", [0], 4_000_000_000, 30.0),
        Fault(5_000_000_000, "message", [1], words="fail_path {p0}"),
    ]
    assert scenario.over == {
        "selector": ["service-time 0", "historical-service-time 0"],
        "depth": ["1", "8"],
        "path.3.fixed-us": ["400.5", "100"],
        "load.0.size": ["4k+8k", "512"],
        "marginal": ["true", "false"],
    }


def test_an_empty_file_is_the_usual_scenario():
    assert loads("") == Scenario()


@pytest.mark.parametrize("text", ["", GRAY])
def test_plain_data_comes_back_the_same_through_json(text: str):
    scenario = loads(text)
    assert of_plain(json.loads(json.dumps(plain(scenario)))) == scenario
    assert copy_of(scenario) == scenario
    assert copy_of(scenario).loads[0].sizes is not scenario.loads[0].sizes


REFUSED = [
    ("seconds = ", "this is no TOML: Invalid value (at end of document)"),
    ("secnds = 5", "secnds: unknown key; the nearest is seconds"),
    (
        "zzz = 1",
        "zzz: unknown key; there are name, hypothesis, source, size, seconds, warm-up, window-ms, seeds, "
        "array, path, map, manager, load, fault, over",
    ),
    ('seconds = "5"', 'seconds: want a number from 0 to 86400, not "5"'),
    ("seconds = -1", "seconds: want a number from 0 to 86400, not -1"),
    ("seconds = nan", "seconds: want a number from 0 to 86400, not nan"),
    ("window-ms = 0", "window-ms: want a number above 0 and up to 86400000, not 0"),
    ("window-ms = 0.01", "window-ms: 0.01 cuts 5 s into 500,000 windows; at most 100,000 are kept"),
    ("seeds = 1.5", "seeds: want a whole number from 1 to 1000000, not 1.5"),
    ("seeds = true", "seeds: want a whole number from 1 to 1000000, not true"),
    (
        "size = 1000",
        'size: want a size such as 4096 or "64k", a multiple of 512 from 512 to 1125899906842624, not 1000',
    ),
    ("seconds = 2\nwarm-up = 2", "warm-up: 2 s of 2: nothing is left to measure"),
    (
        "seconds = 0",
        "load.0.ios: is missing: without `seconds` a run ends when every load has had its `ios` answered",
    ),
    ("array = 4", "array: want a table, [array], not 4"),
    ("[array]\npaths = 0", "array.paths: want a whole number from 1 to 1024, not 0"),
    (
        "[array]\nfixd-us = 1",
        "array.fixd-us: unknown key; the nearest is fixed-us",
    ),
    ("[array]\nfixed-us = true", "array.fixed-us: want a number from 0 to 86400000000, not true"),
    ("[array]\nmb-per-s = 0", "array.mb-per-s: want a number above 0 and up to 1024000, not 0"),
    ("[array]\nmb-per-s = 1\nns-per-kib = 5", "array.ns-per-kib: mb-per-s says the same: want one of them"),
    (
        '[array]\nspread = "normal"',
        'array.spread: want one of "constant", "uniform", "exponential", "heavy", not "normal"',
    ),
    ("[path.4]\ndepth = 1", "path.4: there is no such path; there are 0 to 3 (array.paths = 4)"),
    ("[path.x]\ndepth = 1", "path.x: there is no such path; there are 0 to 3 (array.paths = 4)"),
    ("[path.01]\ndepth = 1", "path.01: there is no such path; there are 0 to 3 (array.paths = 4)"),
    ("path.1 = 5", "path.1: want a table, [path.1], not 5"),
    ("[path.1]\ndepht = 5", "path.1.depht: unknown key; the nearest is depth"),
    ("[path.1]\ngroup = 3", "path: there is no path in group 2, but one in group 3"),
    (
        '[path.1]\nwords = "1 2"',
        "path.1.words: all paths of a group have as many words in a table: another of group 1 has the usual ones, this one 2",
    ),
    (
        "[array]\nserver = 0\n[path.1]\nslots = 9",
        "path.1.slots: 9, but another path to server 0 has 4",
    ),
    ('[path.2]\nscheduler = "bfq"', "path.2.scheduler: unknown 'bfq'; there are mq-deadline, none, or module:Class"),
    ('[map]\nmode = "blk"', 'map.mode: want one of "rq", "bio", "mq", not "blk"'),
    (
        '[map]\nselector = "service-time"',
        "map.selector: 'service-time': want its name and the number of its arguments, \"service-time 0\"",
    ),
    (
        '[map]\nselector = "servicetime 0"',
        "map.selector: unknown 'servicetime'; the nearest is service-time, or module:Class",
    ),
    (
        '[map]\nselector = "service-time 1"',
        "map.selector: 'service-time 1' says 1 arguments and has 0: want service-time 0 ...",
    ),
    (
        '[map]\nfeatures = "1 queue_if_no_path"',
        "map.features: unknown '1'; there are queue_if_no_path, retain_attached_hw_handler, pg_init_retries, "
        "pg_init_delay_msecs (without their count; see mode)",
    ),
    ('[map]\nfeatures = "pg_init_retries"', "map.features: pg_init_retries wants a number, not ''"),
    (
        '[map]\nmode = "bio"\nmachine = "2008"',
        "map.machine: the queue of 2008 is of request-based maps: mode 'bio' has none; want mode rq",
    ),
    ("[manager]\npolling = 0", "manager.polling: want a number above 0 and up to 86400, not 0"),
    (
        "[manager]\nhedge-after-ms = 0.000001",
        "manager.hedge-after-ms: 1e-06 is too early: want 0 (never) or 1 and up",
    ),
    ("[load]\ndepth = 1", "load: want tables, each [[load]] with two brackets, not one table"),
    ("load = []", "load: there are 0; want 1 to 256"),
    ("[[load]]\n[[load]]\nname='load'", "load.0.name: another load is called 'load', too"),
    (
        "[[load]]\ndepth = 0",
        "load.0.depth: is 0: want `depth`, the I/Os that a client keeps open, or `rate`, I/Os a second, answered or not",
    ),
    (
        "[[load]]\nrate = 5\ndepth = 4",
        "load.0.rate: 5 I/Os a second, and a depth of 4: want one of them (depth 0 beside a rate)",
    ),
    (
        "[[load]]\nsize = []",
        'load.0.size: want a size such as 4096 or "64k", a multiple of 512 from 512 to 67108864, or a list of up to 64 '
        "of them, not []",
    ),
    (
        'size = "1M"\n[[load]]\nclients = 4\npattern = "sequential"\nsize = "512k"',
        "load.0.size: an I/O of 524288 bytes, where each client has 262144 of the disk",
    ),
    (
        '[[load]]\npattern = "trace"',
        "load.0.pattern: I/Os of a trace go with pattern trace, and it with them: they are recorded (`hawser lab replay`), "
        "not written in a file",
    ),
    ("[[load]]\nstart = 5", "load.0.start: is not before the end, 5 s"),
    ("[[fault]]\nat = 1", "fault.0.kind: is missing: want a fault's kind and when it comes, `at`, in seconds"),
    (
        '[[fault]]\nkind = "killed"\nat = 1',
        'fault.0.kind: want one of "slow", "delay", "gray", "black-hole", "kill", "flap", "error", "message", not "killed"',
    ),
    (
        '[[fault]]\nkind = "kill"\nat = 1\npath = 0\nfactor = 2',
        'fault.0.factor: a fault of kind "kill" has none; it has kind, path, at, for',
    ),
    (
        '[[fault]]\nkind = "kill"\nat = 1',
        "fault.0.path: is missing: want the numbers of the paths that it happens to, path = [0]",
    ),
    ('[[fault]]\nkind = "kill"\nat = 1\npath = [0, 4]', "fault.0.path: there is no path 4; there are 0 to 3"),
    ('[[fault]]\nkind = "kill"\nat = 1\npath = [0, 0]', "fault.0.path: want each path once, not [0, 0]"),
    ('[[fault]]\nkind = "kill"\nat = 5\npath = 0', "fault.0.at: 5 s is not before the end, 5 s"),
    ('[[fault]]\nkind = "delay"\nat = 1\npath = 0', "fault.0.ms: is 0: a fault of kind 'delay' wants more"),
    (
        '[[fault]]\nkind = "gray"\nat = 1\npath = 0\nms = 5',
        "fault.0.percent: is 0: of how many commands are late?",
    ),
    (
        '[[fault]]\nkind = "message"\nat = 1',
        'fault.0.words: is missing: want a message, words = "fail_path {p0}"',
    ),
    ("[over]\nmode = 'rq'", 'over mode: want a list of values, not "rq"'),
    ("[over]\nmode = []", "over mode: 0 values; want 1 to 1000"),
    ("[over]\nmode = ['rq', 'rq']", 'over mode: "rq" stands there twice'),
    ("[over]\nmode = ['rq', 'blk']", 'over mode: want one of "rq", "bio", "mq", not "blk"'),
    ("[over]\nmood = ['rq']", "over mood: unknown key; the nearest is mode"),
    ("[over]\nmap.mood = ['rq']", "over map.mood: unknown key; the nearest is mode"),
    ("[over]\npath.9.depth = [1]", "over path.9.depth: there is no path 9; there are 0 to 3"),
    ("[over]\nfault.0.factor = [1]", "over fault.0.factor: there is no fault in the scenario"),
    ("[over]\nload.tiger.depth = [1]", "over load.tiger.depth: there is no load tiger; there are 0 to 0"),
    ("[over]\nweight = [1]\npath.weight = [2]", "over path.weight: weight is the same: want one of them"),
    ("[over]\nsceduler = [1]", "over sceduler: unknown key; the nearest is scheduler"),
    ("[over]\nscenario.seeds = [1]", "over scenario.seeds: what it says makes no difference to a run"),
    ("[over]\ndepth = [1.5]", 'over depth: want a whole number from 0 to 65536, not "1.5"'),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[text.replace("\n", " ")[:50] for text, _ in REFUSED])
def test_what_is_refused(text: str, message: str):
    with pytest.raises(ScenarioError) as caught:
        loads(text)
    assert str(caught.value) == message


def test_plain_data_that_is_no_scenario():
    data = plain(Scenario())
    for change, message in (
        ({"sekonds": 1}, "scenario.sekonds: unknown field; the nearest is seconds"),
        ({"seconds": "1"}, "scenario.seconds: Expected `float`, got `str`"),
        ({"paths": [{**data["paths"][0], "slots": 0}]}, "path.0.slots: want a whole number from 1 to 65536, not 0"),
        ({"map": {"mode": "rq"}}, "scenario.map.selector: is missing"),
    ):
        with pytest.raises(ScenarioError) as caught:
            of_plain({**data, **change})
        assert str(caught.value) == message
    with pytest.raises(ScenarioError, match="scenario: Expected `object`, got `array`"):
        of_plain([])


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        (Scenario(paths=[]), "array.paths: there are 0; want 1 to 1024"),
        (
            Scenario(paths=[PathModel(fixed_ns=-1)]),
            "path.0.fixed-us: want a number from 0 to 86400000000, not -0.001",
        ),
        (
            Scenario(loads=[LoadModel(write_percent=101)]),
            "load.0.write-percent: want a whole number from 0 to 100, not 101",
        ),
        (Scenario(faults=[Fault(0, "kill", [7])]), "fault.0.path: there is no path 7; there are 0 to 3"),
    ],
)
def test_scenarios_made_in_python_are_checked_too(scenario: Scenario, message: str):
    with pytest.raises(ScenarioError) as caught:
        of_plain(plain(scenario))
    assert str(caught.value) == message
