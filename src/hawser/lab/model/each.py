"""EachMeter: a load's meter that keeps every I/O, for whoever has to tell single ones."""

from hawser.lab.model.bench import Bench
from hawser.lab.model.meter import LoadMeter


class EachMeter(LoadMeter):
    """`each`: (when it was issued, how long it took, whether it succeeded), in order of the answers; in ns."""

    def __init__(self, usual: LoadMeter) -> None:
        super().__init__(usual.name, usual.course, usual.from_ns)
        self.each: list[tuple[int, int, bool]] = []

    def answered(self, issued_ns: int, now_ns: int, size: int, is_good: bool) -> None:
        super().answered(issued_ns, now_ns, size, is_good)
        self.each.append((issued_ns, now_ns - issued_ns, is_good))


def keep_each(bench: Bench) -> EachMeter:
    """Every I/O of all clients of a bench that has not run yet is kept, as those of one load."""
    meter = EachMeter(bench.meters[0])
    bench.meters = [meter]
    for client in bench.clients:
        client.meter = meter
    return meter
