"""Guard: stands before a selector that is not the engine's own, so that a mistake in it costs no I/O.

What it raises, or a path that it must not choose, is told once, with its name; from then on the paths of its group take turns, as
with `round-robin`. The rules that the engine relies on hold whatever it does: a failed path is never chosen, `valid` and `failed`
are right, and each I/O completes.
"""

from hawser.dm.target import TableError
from hawser.multipath.path import Path
from hawser.multipath.selectors.base import PathSelector, SelectorError


class Guard(PathSelector):
    """`inner` is the selector; `origin` says what it is and where it comes from, for people."""

    def __init__(self, name: str, inner: PathSelector, origin: str) -> None:
        super().__init__()
        self.name = name
        self.inner = inner
        # Who wrote it need not know what tables call it.
        inner.name = name
        self.origin = origin
        self.info_args = inner.info_args
        self.table_args = inner.table_args
        self.is_timed = inner.is_timed
        self.asks_cpu = inner.asks_cpu
        self.is_broken = False

    def add_path(self, path: Path, words: list[str]) -> None:
        inner = self.inner
        inner.log = self.log
        inner.cpus = self.cpus
        try:
            inner.add_path(path, words)
        except TableError:
            raise
        except Exception as error:
            raise SelectorError(f"{self.origin}: add_path: {told(error)}") from error
        if path not in inner.valid:
            raise SelectorError(f"{self.origin}: add_path: the path is not in `valid`")
        self.valid.append(path)

    def select(self, size: int) -> Path | None:
        valid = self.valid
        if not self.is_broken:
            inner = self.inner
            inner.clock = self.clock
            inner.cpu = self.cpu
            try:
                path = inner.select(size)
                if path in valid if path is not None else not valid:
                    return path
                self._broke("select: " + ("no path" if path is None else f"{path.device.devt} is not to be used"))
            except Exception as error:
                self._broke(f"select: {told(error)}")
        if not valid:
            return None
        path = valid.pop(0)
        valid.append(path)
        return path

    def explain(self, chosen: Path, size: int) -> str:
        if not self.is_broken:
            try:
                return self.inner.explain(chosen, size)
            except Exception as error:
                self._broke(f"explain: {told(error)}")
        return f"{self.name}: its turn among {len(self.valid)}"

    def start_io(self, path: Path, size: int) -> None:
        if not self.is_broken:
            try:
                self.inner.start_io(path, size)
            except Exception as error:
                self._broke(f"start_io: {told(error)}")

    def end_io(self, path: Path, size: int, start_ns: int) -> None:
        if not self.is_broken:
            self.inner.clock = self.clock
            try:
                self.inner.end_io(path, size, start_ns)
            except Exception as error:
                self._broke(f"end_io: {told(error)}")

    def fail_path(self, path: Path) -> None:
        super().fail_path(path)
        if not self.is_broken:
            try:
                self.inner.fail_path(path)
            except Exception as error:
                self._broke(f"fail_path: {told(error)}")

    def reinstate_path(self, path: Path) -> None:
        super().reinstate_path(path)
        if not self.is_broken:
            try:
                self.inner.reinstate_path(path)
            except Exception as error:
                self._broke(f"reinstate_path: {told(error)}")

    def group_words(self) -> str:
        try:
            return self.inner.group_words()
        except Exception as error:
            self._broke(f"group_words: {told(error)}")
        return super().group_words()

    def info_words(self, path: Path) -> str:
        try:
            return self.inner.info_words(path)
        except Exception as error:
            self._broke(f"info_words: {told(error)}")
        return " ".join(["0"] * self.info_args)

    def table_words(self, path: Path) -> str:
        try:
            return self.inner.table_words(path)
        except Exception as error:
            self._broke(f"table_words: {told(error)}")
        return " ".join(["0"] * self.table_args)

    def words_for(self, place: int, weight: int) -> list[str]:
        try:
            return self.inner.words_for(place, weight)
        except Exception as error:
            raise SelectorError(f"{self.origin}: words_for: {told(error)}") from error

    def _broke(self, what: str) -> None:
        if not self.is_broken:
            self.is_broken = True
            self.log.error(f"{self.origin}: {what}; its paths take turns from now on")


def told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
