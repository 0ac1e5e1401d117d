"""granularity: how often to change paths, where the choice comes before merging (rr_min_io 1000) and where after "
"(rr_min_io_rq 1)."""

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
from hawser.lab.experiments.crossing import where
from hawser.lab.model.stack_rig import BIOS_MAX, BLOCK, StackRig

K = 2.7
DEPTH = 32
PATHS = 4
BATCH = BIOS_MAX
TOGETHER = 512


class Granularity(Experiment):
    name = "granularity"
    title = "How many I/Os to stay with a path"
    hypothesis = (
        "Bio by bio, a selector that changes paths often shreds sequences, and one that stays uses one path at a time: "
        "whatever its granularity it loses. Choosing after merging needs none: changing with each request is as fast "
        "as the best of them, and as even as the most even. Hence the change of the default from 1000 bios (rr_min_io) "
        "to 1 request (rr_min_io_rq)."
    )
    model = (
        "A sequential job of 4 KiB reads: 512 bios at once in plugs of 128, and when all are answered the next 512. A "
        "path serves one command after the other in c + bytes / B. Imbalance: how busy the busiest path was over 512 "
        "bios, the mean of all paths = 1."
    )
    parameters = {
        "k": K,
        "d": DEPTH,
        "P": PATHS,
        "t4_us": 10,
        "bio_bytes": BLOCK,
        "plug_bios": BATCH,
        "bios_at_once": TOGETHER,
        "selector": "round-robin that stays for so many I/Os, as before Linux 4.6",
    }
    source = "multipath.conf(5): rr_min_io 1000 before 2.6.31, rr_min_io_rq 1 since; dm-devel, December 2007; seeds.md 1.2, 2.2"
    requirements = ("S1-D8",)

    bios = 16_384
    repeats: tuple[int, ...] = (1, 10, 100, 1000)
    more_repeats: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
    togethers: tuple[int, ...] = (128, 256, 512, 1024, 2048)
    ks: tuple[float, ...] = (0.1, 0.3, 0.91, K, 10)
    nomerges = 0

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._compare(found)
        progress(0.5, "where it ends")
        self._sweep(found)
        return found

    def _measure(self, mode: str, repeat: int, together: int = TOGETHER, k: float = K) -> tuple[float, float]:
        """MB/s, and the worst imbalance."""
        rig = StackRig(mode, PATHS, DEPTH, k)
        rig.set_nomerges(self.nomerges)
        rig.stay(repeat)
        worst = 1.0
        for first in range(0, self.bios, together):
            before = [driver.busy_ns for driver in rig.drivers]
            rig.sequence(together, BATCH, first)
            rig.run()
            spent = [driver.busy_ns - since for driver, since in zip(rig.drivers, before, strict=True)]
            worst = max(worst, max(spent) * PATHS / sum(spent))
        return rig.mb_per_s(), worst

    def _compare(self, found: Findings) -> None:
        by_bio = {repeat: self._measure("bio", repeat) for repeat in self.repeats}
        speed, imbalance = self._measure("rq", 1)
        rows: list[list[Value]] = [["bio", repeat, *by_bio[repeat]] for repeat in self.repeats]
        rows.append(["rq", 1, speed, imbalance])
        for mode, repeat, mb_per_s, uneven in rows:
            found.records.append({"mode": mode, "repeat": repeat, "mb_per_s": mb_per_s, "imbalance": uneven})
        found.tables.append(
            Table(
                f"{self.bios:,} sequential reads of 4 KiB, {TOGETHER} at once",
                ("map", "I/Os per turn", "MB/s", "imbalance"),
                rows,
                f"Imbalance {PATHS}: one path at a time. 1: all alike.",
            )
        )
        best = max(mb_per_s for mb_per_s, _ in by_bio.values())
        most_even = min(uneven for _, uneven in by_bio.values())
        found.claims += [
            Claim(
                "throughput rq with 1, the best of bio = 1",
                DERIVED,
                speed / best,
                0.95,
                None,
                "seeds.md 1.2",
                "S1-D8",
            ),
            Claim(
                "imbalance rq with 1, less the most even of bio",
                DERIVED,
                imbalance - most_even,
                None,
                0,
                "seeds.md 1.2",
                "S1-D8",
            ),
            Claim(
                "throughput rq with 1, bio with 1 = 1: changing with each bio shreds",
                DERIVED,
                speed / by_bio[1][0],
                2,
                None,
                "dm-devel, December 2007, in words only; the bound is this project's own",
                "S1-D8",
            ),
            Claim(
                "imbalance bio with 1000: one path at a time",
                DERIVED,
                by_bio[1000][1],
                0.95 * PATHS,
                None,
                "dm-devel, December 2007, in words only; the bound is this project's own",
                "S1-D8",
            ),
        ]

    def _sweep(self, found: Findings) -> None:
        by_bio = [self._measure("bio", repeat) for repeat in self.more_repeats]
        rq_speed, rq_imbalance = self._measure("rq", 1)
        ends = [self.more_repeats[0], self.more_repeats[-1]]
        found.curves += [
            Curve(
                "Bio by bio the granularity has to fit the job",
                "I/Os that a path gets at a time",
                "MB/s",
                [
                    Series("bio", self.more_repeats, [speed for speed, _ in by_bio]),
                    Series("rq, 1 request at a time", ends, [rq_speed, rq_speed]),
                ],
                log_x=True,
            ),
            Curve(
                "And what it does to the paths",
                "I/Os that a path gets at a time",
                "busiest path, mean = 1",
                [
                    Series("bio", self.more_repeats, [uneven for _, uneven in by_bio]),
                    Series("rq, 1 request at a time", ends, [rq_imbalance, rq_imbalance]),
                ],
                log_x=True,
            ),
        ]
        tuned = [
            repeat for repeat, (speed, _) in zip(self.more_repeats, by_bio, strict=True) if speed >= 0.95 * rq_speed
        ]
        found.limits.append(
            "granularity: one that fits the job does as well bio by bio ("
            + (", ".join(str(repeat) for repeat in tuned) or "none of those tried")
            + f" of {', '.join(map(str, self.more_repeats))} reach 0.95 of rq, with {TOGETHER} bios at once and {PATHS} paths); "
            "nobody knows the job beforehand"
        )
        rows: list[list[Value]] = []
        advantage: list[float] = []
        for together in self.togethers:
            speeds = {repeat: self._measure("bio", repeat, together)[0] for repeat in self.repeats}
            best = max(speeds, key=lambda repeat: speeds[repeat])
            speed, imbalance = self._measure("rq", 1, together)
            advantage.append(speed / speeds[best])
            rows.append([together, speed, imbalance, best, speeds[best], advantage[-1]])
        found.tables.append(
            Table(
                "By how much is asked for at once",
                ("bios at once", "rq, MB/s", "rq, imbalance", "best of bio", "its MB/s", "rq, best of bio = 1"),
                rows,
            )
        )
        found.limits.append(
            "outstanding: rq with 1 is as fast as the best of bio from "
            f"{where('bios at once', self.togethers, advantage, 0.95)} (P x 128 = {PATHS * BIOS_MAX} bios keep all "
            f"paths busy with whole requests): with {self.togethers[0]} at once, one request for {PATHS} paths, it is "
            f"{advantage[0]:.2f}, and a small granularity bio by bio is better"
        )
        by_k = [self._measure("rq", 1, k=k)[0] / self._measure("bio", 1, k=k)[0] for k in self.ks]
        found.limits.append(
            f"k: changing paths with each bio costs a tenth at {where('k', self.ks, by_k, 1.1)} and less below; then 1 "
            "is good bio by bio, too"
        )
