"""elevator: what it costs when requests go past the I/O scheduler on their way to a driver that is full (Linux until 5.4)."""

from hawser.block.ops import WRITE
from hawser.lab.experiments.base import (
    DERIVED,
    FITTED,
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
from hawser.lab.experiments.crossing import crossing, where
from hawser.lab.model.stack_rig import BIOS_MAX, BLOCK, RAW, StackRig, gain

K = 2.0
DEPTH = 32
WRITERS = 4
PATHS = 4
OUTSTANDING = 512


class Elevator(Experiment):
    name = "elevator"
    title = "The I/O scheduler has to be asked"
    hypothesis = (
        "Where more is outstanding than the driver takes, requests that wait in the I/O scheduler merge; those that go "
        "past it, to the driver or to the list of what it refused, do not. Sequential writes without a plug are about "
        "twice as fast with it."
    )
    model = (
        "Four writers, each through a stretch of its own, keep 128 writes of 4 KiB open, each submitted by itself when "
        "another is answered. The device serves one command after the other in c + bytes / B, and has d tags. `Past "
        "it`: the scheduler is there, and each request goes to the driver at once, or, without a tag, to the dispatch "
        "list."
    )
    parameters = {
        "k": K,
        "d": DEPTH,
        "P": 1,
        "t4_us": 10,
        "writers": WRITERS,
        "outstanding": OUTSTANDING,
        "bio_bytes": BLOCK,
        "scheduler": "mq-deadline",
    }
    source = "commit a12de1d42d (5.4): about twice the sequential write throughput, scsi_debug with mq-deadline; seeds.md 2.4"
    requirements = ("L-4",)

    # Writes per writer.
    writes = 8_192
    ks: tuple[float, ...] = (0.1, 0.3, 0.91, K, 5, 10)
    outstandings: tuple[int, ...] = (16, 32, 64, 128, 256, OUTSTANDING, 1024)
    # Whether the scheduler is asked where it is said to be.
    honoured = True

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._compare(found)
        progress(0.4, "k")
        self._sweep_k(found)
        progress(0.7, "outstanding")
        self._sweep_outstanding(found)
        return found

    def _rig(
        self, asked: bool, k: float = K, outstanding: int = OUTSTANDING, mode: str = RAW, scheduler: str = "mq-deadline"
    ) -> StackRig:
        past = mode == RAW and not (asked and self.honoured)
        paths = 1 if mode == RAW else PATHS
        rig = StackRig(mode, paths, DEPTH // paths, k, scheduler=scheduler, bypass=past)
        each = outstanding // WRITERS
        rig.read(self.writes, WRITERS, BLOCK, each, 1, False, WRITE)
        rig.run()
        return rig

    def _ratio(self, k: float = K, outstanding: int = OUTSTANDING) -> float:
        return self._rig(True, k, outstanding).mb_per_s() / self._rig(False, k, outstanding).mb_per_s()

    def _compare(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        rigs = {
            "device, mq-deadline": self._rig(True),
            "device, past mq-deadline": self._rig(False),
            "map, mq-deadline": self._rig(True, mode="rq"),
            "map, none": self._rig(True, mode="rq", scheduler="none"),
        }
        for what, rig in rigs.items():
            merged = rig.merges_above() + rig.merges_below()
            rows.append([what, rig.commands(), rig.sectors_per_command(), merged, rig.mb_per_s()])
            found.records.append({"what": what, "k": K, "commands": rig.commands(), "mb_per_s": rig.mb_per_s()})
        found.tables.append(
            Table(
                f"{WRITERS * self.writes:,} sequential writes of 4 KiB, {OUTSTANDING} open, k = {K:g}",
                ("queue", "commands", "sectors each", "merged", "MB/s"),
                rows,
                f"The map has {PATHS} paths of {DEPTH // PATHS} tags each, and as much bandwidth on each as the device has.",
            )
        )
        asked, past = rigs["device, mq-deadline"], rigs["device, past mq-deadline"]
        found.claims += [
            Claim(
                f"throughput with the scheduler asked, past it = 1, at k = {K:g}",
                DERIVED,
                asked.mb_per_s() / past.mb_per_s(),
                1.8,
                gain(K, BIOS_MAX),
                "threshold of seeds.md 1.6, and the ceiling (1 + k) / (1 + k / 128); a12de1d42d says about 2, of a "
                "device whose k is not known",
                "L-4",
            ),
            Claim(
                "merged of what went past the scheduler",
                DERIVED,
                past.merges_above() + past.merges_below(),
                0,
                0,
                "what waits in the dispatch list merges no more; seeds.md 3.7",
                "L-4",
            ),
            Claim(
                "merged in a map without a scheduler, whose paths are full",
                DERIVED,
                rigs["map, none"].merges_above(),
                0,
                0,
                "Linux's own count of that; seeds.md 1.6 (L-4)",
                "L-4",
            ),
        ]

    def _sweep_k(self, found: Findings) -> None:
        ratios = [self._ratio(k) for k in self.ks]
        found.curves.append(
            Curve(
                "What the scheduler gains sequential writers, by the fixed cost of a command",
                "k: fixed part of a command, in times of 4 KiB of data",
                "throughput, past it = 1",
                [
                    Series("measured", self.ks, ratios),
                    Series("ceiling, (1 + k) / (1 + k / 128)", self.ks, [gain(k, BIOS_MAX) for k in self.ks]),
                    Series("published: about 2", [self.ks[0], self.ks[-1]], [2.0, 2.0]),
                ],
                log_x=True,
                log_y=True,
            )
        )
        fit = crossing(self.ks, ratios, 2)
        if fit is not None:
            found.claims.append(
                Claim(
                    f"the same at the k for which the sweep gives 2, k = {fit:.3g}",
                    FITTED,
                    self._ratio(fit),
                    1.8,
                    2.2,
                    "commit a12de1d42d: about 2",
                    "L-4",
                )
            )
        found.limits.append(
            f"k: 1.8 times as fast at {where('k', self.ks, ratios, 1.8)}, 1.1 times at "
            f"{where('k', self.ks, ratios, 1.1)}; less below (d = {DEPTH}, {OUTSTANDING} open)"
        )

    def _sweep_outstanding(self, found: Findings) -> None:
        ratios = [self._ratio(outstanding=outstanding) for outstanding in self.outstandings]
        found.curves.append(
            Curve(
                f"What the scheduler gains sequential writers, by how much is outstanding (d = {DEPTH})",
                "writes open",
                "throughput, past it = 1",
                [Series(f"k = {K:g}", self.outstandings, ratios)],
                log_x=True,
            )
        )
        within = max(ratio for ratio, open_ in zip(ratios, self.outstandings, strict=True) if open_ <= DEPTH)
        found.claims.append(
            Claim(
                "the same where no more is outstanding than the device takes",
                DERIVED,
                within,
                0.99,
                1.01,
                "nothing waits, so nothing merges; seeds.md 1.6",
                "L-4",
            )
        )
        found.limits.append(
            f"outstanding: no gain up to d = {DEPTH} open writes ({within:.2f}), 1.8 times at "
            f"{where('open writes', self.outstandings, ratios, 1.8)} (k = {K:g})"
        )
