"""big-bios: the counterweight to merge-before-map. Who submits large bios has merged already (the post of 2016)."""

from hawser.core.units import KIB, MIB
from hawser.lab.experiments.base import (
    DERIVED,
    Claim,
    Curve,
    Experiment,
    Findings,
    Progress,
    Series,
    Table,
    Value,
    quietly,
)
from hawser.lab.experiments.crossing import crossing
from hawser.lab.model.stack_rig import BIOS_MAX, StackRig, gain

K = 2.7
DEPTH = 32
PATHS = 4
READERS = 4
AHEAD_BYTES = 2 * MIB


class BigBios(Experiment):
    name = "big-bios"
    title = "With large bios there is nothing left to merge"
    hypothesis = (
        "The larger the bios of a sequential job, the less it matters whether they merge before a path is chosen; with "
        "bios of 1 MiB request-based and bio-based differ by less than 5 %."
    )
    model = (
        "Four sequential readers keep 2 MiB each ahead, in plugs of 1 MiB at most, of bios of one size, over four "
        "paths with round-robin. A path serves one command after the other in c + bytes / B. The host takes no time."
    )
    parameters = {
        "k": K,
        "d": DEPTH,
        "P": PATHS,
        "t4_us": 10,
        "readers": READERS,
        "ahead_bytes": AHEAD_BYTES,
        "max_sectors": 2560,
        "max_segments": BIOS_MAX,
        "scheduler": "mq-deadline",
    }
    source = "the post of 2016 (larger bios by multipage vectors); seeds.md 1.4 (S2-5) and 2.5"
    requirements = ("S2-5",)

    # Per reader and size.
    read_bytes = 16 * MIB
    sizes: tuple[int, ...] = tuple(4 * KIB << power for power in range(9))
    ks: tuple[float, ...] = (0.3, K, 10, 30, 100)
    nomerges = 0

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._compare(found)
        progress(0.3, "k")
        self._sweep(found)
        return found

    def _rig(self, mode: str, size: int, k: float = K) -> StackRig:
        rig = StackRig(mode, PATHS, DEPTH, k)
        rig.set_nomerges(self.nomerges)
        batch = MIB // size
        rig.read(self.read_bytes // size, READERS, size, AHEAD_BYTES // size, batch)
        rig.run()
        return rig

    def _ratio(self, size: int, k: float = K) -> float:
        return self._rig("rq", size, k).mb_per_s() / self._rig("bio", size, k).mb_per_s()

    def _compare(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        ratios: dict[int, float] = {}
        for size in self.sizes:
            rq, bio = self._rig("rq", size), self._rig("bio", size)
            ratios[size] = rq.mb_per_s() / bio.mb_per_s()
            rows.append([size // KIB, rq.commands(), bio.commands(), rq.mb_per_s(), bio.mb_per_s(), ratios[size]])
            found.records.append(
                {"bio_bytes": size, "k": K, "rq_mb_per_s": rq.mb_per_s(), "bio_mb_per_s": bio.mb_per_s()}
            )
        found.tables.append(
            Table(
                f"A sequential job of {READERS * self.read_bytes // MIB} MiB, k = {K}",
                ("bio, KiB", "rq, commands", "bio, commands", "rq, MB/s", "bio, MB/s", "rq, bio = 1"),
                rows,
            )
        )
        smallest, largest = self.sizes[0], self.sizes[-1]
        found.claims += [
            Claim(
                f"throughput rq with bios of {largest // KIB} KiB, bio = 1",
                DERIVED,
                ratios[largest],
                0.95,
                1.05,
                "seeds.md 1.4",
                "S2-5",
            ),
            Claim(
                f"the same with bios of {smallest // KIB} KiB: what S1-D7 is about",
                DERIVED,
                ratios[smallest],
                3,
                gain(K, BIOS_MAX) * 1.01,
                "between the threshold of seeds.md 1.6 (L-3) and the ceiling (1 + k) / (1 + k / 128)",
                "S2-5",
            ),
        ]

    def _sweep(self, found: Findings) -> None:
        sizes = [size // KIB for size in self.sizes]
        series: list[Series] = []
        ends: list[str] = []
        for k in self.ks:
            ratios = [self._ratio(size, k) for size in self.sizes]
            series.append(Series(f"k = {k:g}", sizes, ratios))
            end = crossing(sizes, ratios, 1.05)
            ends.append(f"{end:.0f} KiB at k = {k:g}" if end is not None else f"{_always(ratios)} at k = {k:g}")
            for size, ratio in zip(sizes, ratios, strict=True):
                found.records.append({"bio_bytes": size * KIB, "k": k, "rq_by_bio": ratio})
        found.curves.append(
            Curve(
                "What merging before the choice of a path is worth, by the size of bios",
                "bio, KiB",
                "throughput rq, bio = 1",
                series,
                log_x=True,
                log_y=True,
            )
        )
        found.limits.append(
            f"k and size: the modes come within 5 % of each other at bios of {', '.join(ends)} (d = {DEPTH}, P = "
            f"{PATHS}). The more a command costs beside its data, the larger bios have to be"
        )


def _always(ratios: list[float]) -> str:
    return "no size" if min(ratios) > 1.05 else "every size"
