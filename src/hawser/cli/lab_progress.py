"""Progress on standard error: a bar on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

LINE_EVERY_S: Final = 10.0


class Meter:
    """`total` None: nobody knows how much there is to do. Use it as a context."""

    def __init__(self, what: str, total: float | None) -> None:
        self.what = what
        self.total = total
        self.started = time.monotonic()
        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._next_line = self.started + LINE_EVERY_S
        self._has_said = False
        if self._console.is_terminal:
            columns = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[said]}"),
            )
            self._bar = Progress(*columns, TimeElapsedColumn(), console=self._console, transient=True)
            self._task = self._bar.add_task(what, total=total, said="")

    def __enter__(self) -> "Meter":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._has_said:
            # Where both streams are one, what comes next is no line of the progress.
            click.echo("", err=True)

    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self.started

    def show(self, done: float, said: str) -> None:
        """`done` of `total`, and whatever else there is to say."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, said=said)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_EVERY_S
            self._has_said = True
            click.echo(f"{self.what}: {said}", err=True)
