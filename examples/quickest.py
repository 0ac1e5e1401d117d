from hawser.multipath.path import PathInfo
from hawser.multipath.selectors.base import PathSelector


class Pace(PathInfo):
    took_ns = in_flight = 0


class Quickest(PathSelector):
    """The path whose last I/O was the quickest, times what is in flight on it."""

    def __init__(self, words):
        super().__init__()
        self.is_timed, self.info_args = True, 1

    def add_path(self, path, words):
        super().add_path(path, words)
        path.info = Pace()

    def select(self, size):
        return min(self.valid, key=lambda path: path.info.took_ns * (1 + path.info.in_flight), default=None)

    def start_io(self, path, size):
        path.info.in_flight += 1

    def end_io(self, path, size, start_ns):
        path.info.in_flight -= 1
        if start_ns >= 0:
            path.info.took_ns = self.clock.now_ns - start_ns

    def info_words(self, path):
        return str(path.info.took_ns)
