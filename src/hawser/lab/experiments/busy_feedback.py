"""busy-feedback: a queue that is drained faster than its paths take requests has nothing left to merge (patch 3 of the RFC)."""

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
from hawser.lab.model.stack_rig import BIOS_MAX, BLOCK, StackRig, gain

K = 2.7
DEPTH = 32
PATHS = 4


def commands_of(bios: int, paths: int = PATHS, depth: int = DEPTH) -> int:
    """How many commands a burst of neighbouring bios is that comes without a plug: one each until all paths are full, one "
    "that had
    left the scheduler when it was told so, and the rest merged."""
    full = paths * depth
    return bios if bios <= full else full + 1 + -(-(bios - full - 1) // BIOS_MAX)


def gain_of(bios: int, k: float, paths: int = PATHS, depth: int = DEPTH) -> float:
    """How much sooner such a burst is done than one of as many commands as bios."""
    return bios * (1 + k) / (bios + commands_of(bios, paths, depth) * k)


class BusyFeedback(Experiment):
    name = "busy-feedback"
    title = "Paths have to say when they are busy"
    hypothesis = (
        "Requests that wait above, because the paths say that they are busy, merge with what comes later; with paths "
        "that take everything and say nothing, merging above is dead, although path choice comes after it."
    )
    model = (
        "A burst of neighbouring 4 KiB reads without a plug, all at once, on a request-based map with mq-deadline. A "
        "path serves one command after the other in c + bytes / B, and has d tags. Without feedback paths take "
        "whatever is inserted and never say busy, and the map has a tag for each bio."
    )
    parameters = {
        "k": K,
        "d": DEPTH,
        "P": PATHS,
        "t4_us": 10,
        "bio_bytes": BLOCK,
        "bios": 65_536,
        "scheduler": "mq-deadline",
    }
    source = "patch 3 of the RFC (ef9e3facdf, 2.6.28); commit 396eaf21ee (4.16): sequential I/O up to 3 times; seeds.md 1.1, 2.4"
    requirements = ("S1-03", "L-3")

    bios = 65_536
    sweep_bios = 16_384
    ks: tuple[float, ...] = (0.1, 0.3, 0.91, 2, K, 5, 10, 20)
    claimed_ks: tuple[float, ...] = (0.91, 2, K, 10)
    depths: tuple[int, ...] = (1, 4, 16, 64, 256, 1024, 4096)
    bursts: tuple[int, ...] = (64, 128, 256, 512, 1024, 4096, 16_384)
    # What the paths say; without it there is nothing left of the claims.
    feedback = True

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._burst(found)
        progress(0.3, "k")
        self._sweep_k(found)
        progress(0.6, "where it ends")
        self._sweep_others(found)
        return found

    def _rig(
        self, bios: int, feedback: bool, k: float = K, depth: int = DEPTH, asks: bool = True, tags: int = 0
    ) -> StackRig:
        rig = StackRig("rq", PATHS, depth, k)
        if not feedback or tags:
            rig.set_tags(tags or bios)
        rig.set_feedback(feedback)
        rig.mapper().asks = asks
        rig.sequence(bios)
        rig.run()
        return rig

    def _ratio(self, bios: int, k: float = K, depth: int = DEPTH, tags: int = 0) -> float:
        with_feedback = self._rig(bios, self.feedback, k, depth, tags=tags)
        return with_feedback.mb_per_s() / self._rig(bios, False, k, depth).mb_per_s()

    def _burst(self, found: Findings) -> None:
        bios = self.bios
        both = self._rig(bios, self.feedback)
        refusals = self._rig(bios, self.feedback, asks=False)
        none = self._rig(bios, False)
        tags = self._rig(bios, False, tags=2048)
        rows: list[list[Value]] = []
        for what, rig in (
            ("busy answers, and refusals", both),
            ("refusals of clones alone", refusals),
            ("neither", none),
            ("neither, but the map's own 2,048 tags", tags),
        ):
            rows.append([what, rig.commands(), rig.sectors_per_command(), rig.merges_above(), rig.mb_per_s()])
            found.records.append({"what": what, "k": K, "commands": rig.commands(), "mb_per_s": rig.mb_per_s()})
        found.tables.append(
            Table(
                f"A burst of {bios:,} bios of 4 KiB, k = {K}",
                ("paths say", "commands", "sectors each", "merged", "MB/s"),
                rows,
                f"{PATHS} x {DEPTH} commands fill the paths, one more had left the scheduler when it was told so.",
            )
        )
        want = commands_of(bios)
        rule = "P d + 1 + ceil((N - P d - 1) / 128); seeds.md 1.1"
        dying = StackRig("rq", PATHS, 1, K)
        dying.sequence(PATHS)
        was_busy = dying.queues[0].busy()
        dying.queues[0].die()
        found.claims += [
            Claim("commands of the burst", DERIVED, both.commands(), want, want, rule, "S1-03"),
            Claim(
                "commands when the map does not ask, and learns it from refusals alone",
                DERIVED,
                refusals.commands(),
                want,
                want,
                rule,
                "S1-03",
            ),
            Claim(
                "commands without feedback", DERIVED, none.commands(), bios, bios, "one per bio; seeds.md 1.1", "S1-03"
            ),
            Claim(
                "a dying path that was busy says that it is not, so that requests reach it and fail",
                DERIVED,
                float(dying.queues[0].busy() or not was_busy),
                0,
                0,
                "seeds.md 1.1 (S1-03)",
                "S1-03",
            ),
        ]
        found.limits.append(
            f"own tags: the map's own 2,048 (today's default) are feedback of a kind: {tags.commands():,} commands, and "
            f"{both.mb_per_s() / tags.mb_per_s():.2f} instead of {both.mb_per_s() / none.mb_per_s():.2f} times as slow; "
            "the RFC's queue had none of its own"
        )

    def _sweep_k(self, found: Findings) -> None:
        # A path may end up with one command more than others.
        slack = 0.01 + PATHS * BIOS_MAX / self.bios
        rows: list[list[Value]] = []
        for k in self.claimed_ks:
            ratio = self._ratio(self.bios, k)
            want = gain_of(self.bios, k)
            rows.append([k, ratio, want, gain(k, BIOS_MAX)])
            found.records.append({"k": k, "gain": ratio})
            found.claims.append(
                Claim(
                    f"throughput with feedback, without it = 1, at k = {k:g}",
                    DERIVED,
                    ratio,
                    want * (1 - slack),
                    want * (1 + slack),
                    "N (1 + k) / (N + commands x k); seeds.md 1.1",
                    "S1-03",
                )
            )
            if k == K:
                found.claims.append(
                    Claim(
                        "the same at the k that the mail of 2008 gives (merge-before-map), against `up to 3 times`",
                        PREDICTED,
                        ratio,
                        3,
                        None,
                        "commit 396eaf21ee; threshold of seeds.md 1.6",
                        "L-3",
                    )
                )
        found.tables.append(
            Table(
                "What feedback gains",
                ("k", "measured", "derived", "all commands of 128 bios"),
                rows,
                "`Up to 3 times` was said of virtio-scsi, whose k is not known; a whole burst at once is the best case.",
            )
        )
        short = [self._ratio(self.sweep_bios, k) for k in self.ks]
        found.curves.append(
            Curve(
                "What feedback gains, by the fixed cost of a command",
                "k: fixed part of a command, in times of 4 KiB of data",
                "throughput, without feedback = 1",
                [
                    Series("measured", self.ks, short),
                    Series("ceiling, (1 + k) / (1 + k / 128)", self.ks, [gain(k, BIOS_MAX) for k in self.ks]),
                    Series("published: up to 3", [self.ks[0], self.ks[-1]], [3.0, 3.0]),
                ],
                log_x=True,
                log_y=True,
            )
        )
        found.limits.append(
            f"k: feedback makes it 3 times as fast at {where('k', self.ks, short, 3)}, and 1.1 times at "
            f"{where('k', self.ks, short, 1.1)}; below it hardly matters (d = {DEPTH}, P = {PATHS}, {self.sweep_bios:,} "
            "bios)"
        )

    def _sweep_others(self, found: Findings) -> None:
        by_burst = [self._ratio(bios) for bios in self.bursts]
        # With a tag of the map's for each bio, lest those are what keeps it back.
        by_depth = [self._ratio(self.sweep_bios, depth=depth, tags=self.sweep_bios) for depth in self.depths]
        found.curves.append(
            Curve(
                f"What feedback gains, by the length of the burst (P d = {PATHS * DEPTH})",
                "neighbouring bios at once",
                "throughput, without feedback = 1",
                [Series(f"k = {K}", self.bursts, by_burst)],
                log_x=True,
            )
        )
        found.curves.append(
            Curve(
                f"What feedback gains, by the depth of a path ({self.sweep_bios:,} bios)",
                "d: commands that a path takes",
                "throughput, without feedback = 1",
                [Series(f"k = {K}", self.depths, by_depth)],
                log_x=True,
            )
        )
        found.limits.append(
            f"burst: one of P d = {PATHS * DEPTH} bios gains nothing; twice as fast at "
            f"{where('N', self.bursts, by_burst, 2)}. In between it may even lose ({min(by_burst):.2f}), as the rest is "
            f"one command for one path (k = {K}, d = {DEPTH})"
        )
        found.limits.append(
            f"d: paths deep enough to take the burst say nothing in time: of {self.sweep_bios:,} bios only twice as "
            f"fast at {where('d', self.depths, by_depth, 2)}, less beyond (k = {K}, P = {PATHS})"
        )
