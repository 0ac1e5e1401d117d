"""random-io: merging has nothing to do where no two I/Os are neighbours."""

from hawser.lab.experiments.base import (
    DERIVED,
    PREDICTED,
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
from hawser.lab.model.stack_rig import BLOCK, BLOCK_SECTORS, SECTORS, StackRig

K = 2.7
DEPTH = 4
PATHS = 4
READERS = 16
OUTSTANDING = 256
SELECTOR = "round-robin 0"
SEED = 1
# The values of nomerges: all attempts, simple ones only, none.
NOMERGES = (0, 1, 2)
PUBLISHED = (12.45, 12.50, 12.52)


class RandomIo(Experiment):
    name = "random-io"
    title = "Merging is irrelevant to random I/O"
    hypothesis = (
        "At random over a large disk no I/O finds a neighbour among those that wait: with all merging, with the simple "
        "kind and with none the throughput is the same, and so it is request-based and bio-based."
    )
    model = (
        "16 readers keep 16 random reads of 4 KiB each open on a disk of 1 GiB. Paths serve one command after the "
        "other in c + bytes / B, and are full all the time, so that 15 of 16 reads wait in the map's mq-deadline "
        "(request-based) or in the paths' queues (bio-based)."
    )
    parameters = {
        "k": K,
        "d": DEPTH,
        "P": PATHS,
        "t4_us": 10,
        "readers": READERS,
        "outstanding": OUTSTANDING,
        "bio_bytes": BLOCK,
        "disk_bytes": SECTORS * 512,
        "seed": SEED,
        "scheduler": "mq-deadline",
        "selector": SELECTOR,
    }
    source = "commit 488991e28e (nomerges 0, 1, 2: 12.45, 12.50, 12.52 MB/s, 16 ways random); seeds.md 2.4, 2.5"
    requirements = ("L-6",)

    # Reads per reader.
    reads = 2_048
    spans: tuple[int, ...] = tuple(1 << power for power in range(8, 19, 2))
    opens: tuple[int, ...] = (64, 256, 1024)
    # Of what is claimed about random I/O nothing holds of this.
    pattern = "random"

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._compare(found)
        progress(0.5, "smaller disks")
        self._sweep(found)
        return found

    def _rig(
        self, nomerges: int, mode: str = "rq", blocks: int = SECTORS // BLOCK_SECTORS, outstanding: int = OUTSTANDING
    ) -> StackRig:
        rig = StackRig(mode, PATHS, DEPTH, K, selector=SELECTOR)
        rig.set_nomerges(nomerges)
        seed = SEED if self.pattern == "random" else None
        each = outstanding // READERS
        rig.read(self.reads, READERS, BLOCK, each, 1, False, seed=seed, span_sectors=blocks * BLOCK_SECTORS)
        rig.run()
        return rig

    def _merged(self, rig: StackRig) -> float:
        return (rig.merges_above() + rig.merges_below()) / (READERS * self.reads)

    def _compare(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        speeds: dict[tuple[str, int], float] = {}
        merged = 0.0
        for mode in ("rq", "bio"):
            for nomerges in NOMERGES:
                rig = self._rig(nomerges, mode)
                speeds[mode, nomerges] = rig.mb_per_s()
                merged = max(merged, self._merged(rig))
                told: Value = PUBLISHED[nomerges] / PUBLISHED[0] if mode == "rq" else "-"
                ratio = rig.mb_per_s() / speeds[mode, 0]
                rows.append([mode, nomerges, rig.mb_per_s(), ratio, told, self._merged(rig)])
                found.records.append({"mode": mode, "nomerges": nomerges, "mb_per_s": rig.mb_per_s()})
        found.tables.append(
            Table(
                f"{READERS * self.reads:,} random reads of 4 KiB",
                ("map", "nomerges", "MB/s", "of nomerges 0", "published", "merged, of all"),
                rows,
                "Published are 12.45, 12.50 and 12.52 MB/s; the model's MB/s are those of t4 = 10 us, only ratios "
                "compare. What the attempts cost the processor (%sys 0.669, 0.642, 0.640) takes no virtual time.",
            )
        )
        for nomerges in NOMERGES[1:]:
            found.claims.append(
                Claim(
                    f"throughput with nomerges {nomerges}, with 0 = 1",
                    PREDICTED,
                    speeds["rq", nomerges] / speeds["rq", 0],
                    0.99,
                    1.01,
                    f"commit 488991e28e: {PUBLISHED[nomerges]} of {PUBLISHED[0]} MB/s, of which the model was told "
                    "nothing; seeds.md 1.6",
                    "L-6",
                )
            )
        found.claims += [
            Claim(
                "merged, of all reads, at most",
                DERIVED,
                merged,
                0,
                0.005,
                "neighbours among 256 of 262,144 blocks; seeds.md 1.6",
                "L-6",
            ),
            Claim(
                "throughput bio-based, request-based = 1",
                DERIVED,
                speeds["bio", 0] / speeds["rq", 0],
                0.99,
                1.01,
                "without merging there is nothing in which the modes differ but whose queue waits; bounds of this project's own",
                "L-6",
            ),
        ]

    def _sweep(self, found: Findings) -> None:
        blocks = SECTORS // BLOCK_SECTORS
        gains: list[float] = []
        shares: list[float] = []
        for span in self.spans:
            merging = self._rig(0, blocks=span)
            gains.append(merging.mb_per_s() / self._rig(2, blocks=span).mb_per_s())
            shares.append(self._merged(merging))
        sizes = [span * BLOCK / (1 << 20) for span in self.spans]
        found.curves.append(
            Curve(
                f"How small a disk has to be for random reads to find neighbours ({OUTSTANDING} open)",
                "disk, MiB",
                "",
                [
                    Series("throughput, without merging = 1", sizes, gains),
                    Series("merged, of all reads", sizes, shares),
                ],
                log_x=True,
            )
        )
        by_open = [
            self._rig(0, outstanding=opened).mb_per_s() / self._rig(2, outstanding=opened).mb_per_s()
            for opened in self.opens
        ]
        found.limits += [
            f"disk: merging is worth 1 % at {where('disk', sizes, gains, 1.01, ' MiB')}, more on smaller ones "
            f"({OUTSTANDING} open; what decides is what waits by the disk's blocks, here {blocks:,} for 1 GiB)",
            "open reads: of "
            + ", ".join(
                f"{opened:,} merging is worth {ratio - 1:.2%}"
                for opened, ratio in zip(self.opens, by_open, strict=True)
            )
            + f" (1 GiB, k = {K}, P d = {PATHS * DEPTH})",
        ]
