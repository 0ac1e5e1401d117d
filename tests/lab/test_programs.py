"""dmsetup beside a run's clients: what is drawn, what it does, and that it is waited for, refused and interrupted."""

from dataclasses import replace

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.dm.dmsetup.program import VERBS
from hawser.lab.draw import draw_plan
from hawser.lab.plan import ClientPlan, Op, PathPlan, Plan, ServerPlan, Step
from hawser.lab.plan_file import dumps, loads
from hawser.lab.run import Run
from hawser.lab.trial import attempt

TABLE = "0 64 multipath 1 queue_if_no_path 0 2 1 round-robin 0 1 0 {p0} round-robin 0 1 0 {p1}"
OTHER = "0 64 multipath 0 0 1 1 round-robin 0 2 0 {p1} {p0}"
PLAN = Plan(
    tables=[TABLE, OTHER, "0 64 multipath nonsense"],
    servers=[ServerPlan()],
    paths=[PathPlan(server=0, cache="lun"), PathPlan(server=0, cache="lun")],
    clients=[ClientPlan("a", [Op("write", number % 8, 1, delay_ns=10 * NS_PER_MS) for number in range(60)])],
)


def run(*steps: tuple[str, int], semantics: str = "6.12", plan: Plan = PLAN) -> tuple[list[str], dict[str, int]]:
    """What each program came to, each 20 ms after the one before; with how long it was given in ms (0: for ever)."""
    plan = replace(
        plan,
        semantics=semantics,
        steps=[
            Step((number + 1) * 20 * NS_PER_MS, "dm", word=word, duration_ns=patience * NS_PER_MS)
            for number, (word, patience) in enumerate(steps)
        ],
    )
    assert loads(dumps(plan)) == plan
    ran = Run(plan, keep_events=True)
    outcome = ran.go()
    assert outcome.faults == []
    assert ran.hardware.clock.now_ns < 100 * NS_PER_S
    said = [event.detail for event in outcome.events if event.lane == "dmsetup" or event.what == "probed"]
    return said, outcome.hits


def test_names_change_while_clients_write_and_tables_wait_and_go_live():
    said, _ = run(
        ("rename % other", 0),
        ("load % <1", 0),
        ("table --inactive %", 0),
        ("resume %", 0),
        ("table %", 0),
        ("load % <0", 0),
        ("clear %", 0),
        ("table --inactive %", 0),
    )
    assert said == [
        "rename mpatha other: exit status 0",
        "load other: exit status 0",
        "table --inactive other: exit status 0 0 64 multipath 0 0 1 1 round-robin 0 2 1 259:1 1 259:0 1",
        "resume other: exit status 0",
        "table other: exit status 0 0 64 multipath 0 0 1 1 round-robin 0 2 1 259:1 1 259:0 1",
        "load other: exit status 0",
        "clear other: exit status 0",
        "table --inactive other: exit status 0",
    ]


def test_what_waits_is_woken_or_interrupted():
    said, hits = run(
        ("wait %", 0), ("message % 0 switch_group 2", 0), ("wait % 1", 50), ("suspend --noflush %", 0), ("resume %", 0)
    )
    assert said == [
        "message mpatha 0 switch_group 2: exit status 0",
        "wait mpatha: exit status 0",
        "suspend --noflush mpatha: exit status 0",
        "resume mpatha: exit status 0",
        "wait mpatha 1: exit status 0, interrupted",
    ]
    assert (hits["program interrupted"], hits["program waited"] > 1) == (1, True)


def test_devices_above_come_and_go_and_what_is_in_use_stays():
    said, hits = run(
        ("create s1 --table|0 8 linear {mpatha} 0", 0),
        ("remove %", 0),
        ("remove --deferred %", 0),
        ("message % 0 @cancel_deferred_remove", 0),
        ("ls --tree", 0),
        ("remove s1", 0),
        ("load % <2", 0),
        ("resume s1", 0),
    )
    assert [line.partition(": exit status ")[2][:1] for line in said] == list("01000011")
    assert hits["program refused"] == 3


def test_a_table_that_is_refused_when_it_should_become_live_is_gone():
    plan = replace(PLAN, tables=[TABLE, TABLE.replace("0 64", "0 640")])
    words = ("suspend %", "load % <1", "resume %", "table --inactive %", "table %", "resume %")
    said, hits = run(*[(word, 0) for word in words], plan=plan)
    assert [line.partition(": exit status ")[2][:1] for line in said] == list("001000")
    assert "too small for target" not in said[-2] and said[-3].endswith("exit status 0")
    assert hits["program refused"] == 1


def test_a_probe_is_one_of_6_16():
    assert run(("probe", 0))[0] == []
    said, hits = run(("probe", 0), ("status %", 0), semantics="6.16")
    assert (said[0], hits["paths probed"]) == ("", 1)


def test_queueing_is_over_after_the_time_that_the_machine_allows():
    said, _ = run(
        ("parameter dm_multipath.queue_if_no_path_timeout_secs=1", 0),
        ("load % <0", 0),
        ("resume %", 0),
        ("table %", 0),
    )
    assert "queue_if_no_path" in said[-1]


def test_verbs_that_are_drawn_exist_and_those_that_matter_are_drawn():
    drawn = {step.word.split()[0] for seed in range(400) for step in draw_plan(seed).steps if step.kind == "dm"}
    assert drawn <= {*VERBS, "probe", "parameter"}
    assert {
        "rename", "clear", "load", "reload", "remove", "remove_all", "wait", "suspend", "resume", "create", "message", "status",
        "measure", "table", "info", "deps", "ls", "wipe_table", "probe", "parameter",
    } <= drawn  # fmt: skip


def test_plans_with_programs_are_played_and_written_down():
    seeds = [seed for seed in range(60) if any(step.kind == "dm" for step in draw_plan(seed).steps)]
    assert len(seeds) > 10
    for seed in seeds[:4]:
        plan = draw_plan(seed)
        assert loads(dumps(plan)) == plan
        trial = attempt(plan)
        assert trial.faults == []
        assert attempt(plan).digest == trial.digest
