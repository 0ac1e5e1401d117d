"""`hawser lab explore`: all interleavings of small worlds, and how many states they have."""

import time
from dataclasses import dataclass

import click

from hawser.cli.columns import columns
from hawser.cli.lab_pool import WorkerDiedError, default_jobs, in_order
from hawser.cli.lab_progress import Meter
from hawser.lab.explore.scenarios import SCENARIOS, Scenario
from hawser.lab.explore.search import explore


@dataclass(frozen=True)
class World:
    """One exploration: names only, so that it can be sent to another process."""

    scenario: str
    mode: str
    bound: str
    fences: bool


@dataclass
class Finding:
    """`kind` of the fault that was found, or empty."""

    world: World
    states: int
    transitions: int
    seconds: float
    complete: bool
    kind: str
    story: list[str]

    def is_as_expected(self) -> bool:
        """With fences nothing may be found. Without, the known counter-example must be."""
        if self.world.fences:
            return self.complete and not self.kind
        expected = SCENARIOS[self.world.scenario].expects
        return not expected or self.kind == expected

    def verdict(self) -> str:
        if self.kind:
            return self.kind
        return "no counter-example" if self.complete else "not complete"


def explore_world(world: World) -> Finding:
    started = time.monotonic()
    found = explore(SCENARIOS[world.scenario], world.mode, world.fences, world.bound)
    example = found.counter_example
    seconds = time.monotonic() - started
    kind, story = ("", []) if example is None else (example.kind, example.story)
    return Finding(world, found.states, found.transitions, seconds, found.complete, kind, story)


def list_scenarios() -> None:
    for scenario in SCENARIOS.values():
        finds = f" [without fences: {scenario.expects}]" if scenario.expects else ""
        click.echo(f"{scenario.name:<24} {scenario.about}{finds}")


def run_explore(names: tuple[str, ...], mode: str | None, bound: str, jobs: int | None, fences: bool) -> int:
    """The exit status."""
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        click.echo(f"hawser lab explore: no scenario is called {unknown[0]!r}; --list names them", err=True)
        return 2
    worlds = [
        World(scenario.name, one, bound, fences)
        for scenario in SCENARIOS.values()
        if not names or scenario.name in names
        for one in _modes(scenario, mode)
    ]
    try:
        findings = _explore_all(worlds, jobs or default_jobs())
    except KeyboardInterrupt:
        click.echo("interrupted")
        return 130
    except WorkerDiedError as error:
        click.echo(f"hawser lab explore: {error}", err=True)
        return 1
    _print(findings)
    return 0 if all(finding.is_as_expected() for finding in findings) else 1


def _modes(scenario: Scenario, mode: str | None) -> tuple[str, ...]:
    return scenario.modes if mode is None else tuple(one for one in scenario.modes if one == mode)


def _explore_all(worlds: list[World], jobs: int) -> list[Finding]:
    findings: list[Finding] = []
    results = in_order(explore_world, worlds, min(jobs, max(1, len(worlds))))
    with Meter("explore", len(worlds)) as meter:
        meter.show(0, f"0 of {len(worlds)} worlds")
        try:
            for world, finding in results:
                findings.append(finding)
                states = sum(one.states for one in findings)
                said = (
                    f"{len(findings)} of {len(worlds)} worlds, {states:,} states; last: {world.scenario} {world.mode}"
                )
                meter.show(len(findings), said)
        finally:
            results.close()
    return findings


def _print(findings: list[Finding]) -> None:
    rows = [["scenario", "mode", "states", "transitions", "seconds", "verdict"]]
    rows += [_row(finding) for finding in findings]
    for line in columns(rows, right=(2, 3, 4)):
        click.echo(line)
    for finding in findings:
        if finding.kind:
            _tell(finding)
    states = sum(finding.states for finding in findings)
    transitions = sum(finding.transitions for finding in findings)
    click.echo(f"{len(findings)} worlds, {states:,} states, {transitions:,} transitions")


def _row(finding: Finding) -> list[str]:
    """The last cell is coloured, which click leaves out where nobody would see it."""
    good = finding.is_as_expected()
    verdict = f"{finding.verdict()}{'' if good else '  <- not as it should be'}"
    return [
        finding.world.scenario,
        finding.world.mode,
        f"{finding.states:,}",
        f"{finding.transitions:,}",
        f"{finding.seconds:.1f}",
        click.style(verdict, fg="green" if good else "red", bold=not good),
    ]


def _tell(finding: Finding) -> None:
    world = finding.world
    fences = "on" if world.fences else "off"
    click.echo(f"\n{world.scenario}, {world.mode}, fences {fences}: {finding.kind}")
    for line in finding.story:
        click.echo(f"    {line}")
