"""`hawser lab replay`: a recorded load under other policies."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from hawser.cli.exit_status import INTERRUPTED
from hawser.cli.lab_pool import WorkerDiedError, default_jobs, in_order
from hawser.cli.lab_progress import Meter
from hawser.cli.lab_run import USAGE, told, write_results
from hawser.cli.places import make_folder, reason
from hawser.lab.experiments.replay import Replay, Work, policies_of
from hawser.lab.experiments.results import as_data
from hawser.lab.model.replay import play_sliced, source_of
from hawser.lab.model.scenario import ScenarioError
from hawser.lab.model.trace_read import TraceError, read_trace


def play_work(work: Work) -> dict[str, Any]:
    """One run, in a process of the pool."""
    return play_sliced(*work)


def run_replay(
    file: str,
    map_name: str,
    selectors: Sequence[str],
    modes: Sequence[str],
    schedulers: Sequence[str],
    is_closed: bool,
    seeds: int,
    into: str | None,
    jobs: int | None,
) -> int:
    """The exit status: 0 when the model is right about what was recorded, 1 when not, 2 when nothing can be replayed."""

    def player(work: Sequence[Work]) -> Iterable[dict[str, Any]]:
        return (outcome for _, outcome in in_order(play_work, work, jobs or default_jobs()))

    try:
        if into is not None:
            make_folder(into)
        source = source_of(read_trace(file), map_name)
        policies = policies_of(source.map_model(), selectors, modes, schedulers)
        replay = Replay(source, policies, is_closed, seeds, player)
        with Meter("replay", 1.0) as meter:
            entry = as_data(replay, replay.run(meter.show))
    except KeyboardInterrupt:
        click.echo("interrupted")
        return INTERRUPTED
    except (TraceError, ScenarioError, ValueError, OSError, WorkerDiedError) as error:
        click.echo(f"hawser lab replay: {reason(error)}", err=True)
        return USAGE
    click.echo("\n".join(told(entry)))
    try:
        if into is not None:
            write_results(Path(into), [entry])
    except OSError as error:
        click.echo(f"hawser lab replay: {reason(error)}", err=True)
        return USAGE
    return 0 if entry["holds"] else 1
