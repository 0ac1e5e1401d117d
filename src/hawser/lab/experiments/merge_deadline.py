"""merge-deadline: letting a request wait a moment for its neighbours, where no path ever says busy (Linux 4.1 to 4.20)."""

from hawser.core.units import NS_PER_US
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
from hawser.lab.model.reader import Host
from hawser.lab.model.stack_rig import BIOS_MAX, BLOCK, StackRig, gain

K = 2.0
DEPTH = 4096
PATHS = 4
T4_NS = 10_000
DEADLINE_US = 20
OUTSTANDING = 1024
BIO_NS = 500
# The k at which the ceiling itself is 1.9 (seeds.md 1.6).
K_OF_CEILING = 0.91


class MergeDeadline(Experiment):
    name = "merge-deadline"
    title = "A deadline to merge by, for storage that is limited by IOPS"
    hypothesis = (
        "Paths that take everything never make requests wait, so nothing merges although more I/O is asked for than "
        "the paths can do. A single bio that goes on where the last request ended, held back for a deadline of 20 us "
        "or until something has ended, finds its neighbours."
    )
    model = (
        "One reader keeps 1,024 neighbouring reads of 4 KiB open on a request-based map with mq-deadline, each "
        "submitted by itself; its processor needs 0.5 us for each. Paths serve one command after the other in c + "
        "bytes / B and are never full."
    )
    parameters = {
        "k": K,
        "d": DEPTH,
        "P": PATHS,
        "t4_us": T4_NS / NS_PER_US,
        "deadline_us": DEADLINE_US,
        "readers": 1,
        "outstanding": OUTSTANDING,
        "host_us_per_bio": BIO_NS / NS_PER_US,
        "bio_bytes": BLOCK,
        "scheduler": "mq-deadline",
    }
    source = (
        "commit 0ce65797a7 (4.1, rq_based_seq_io_merge_deadline, example 20 us): 90 % and more on fast storage limited "
        "by IOPS; seeds.md 1.6, 2.4 and 3.7"
    )
    requirements = ("L-5",)

    reads = 32_768
    ks: tuple[float, ...] = (0.1, 0.3, K_OF_CEILING, K, 5, 10)
    deadlines_us: tuple[float, ...] = (0.5, 1, 2, 5, 10, 20, 50, 100)
    bio_us: tuple[float, ...] = (0.5, 1, 2, 4, 8, 16, 32)
    readers: tuple[int, ...] = (1, 2, 4, 8)
    # What is compared with a deadline of 0.
    deadline_us: float = DEADLINE_US

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._compare(found)
        progress(0.3, "k")
        self._sweep_k(found)
        progress(0.6, "where it ends")
        self._sweep_others(found)
        return found

    def _rig(self, deadline_us: float, k: float = K, bio_ns: int = BIO_NS, readers: int = 1) -> StackRig:
        rig = StackRig("rq", PATHS, DEPTH, k, t4_ns=T4_NS)
        rig.own_queue().merge_deadline_ns = round(deadline_us * NS_PER_US)
        host = Host(rig.world.timers, bio_ns)
        rig.read(self.reads // readers, readers, BLOCK, OUTSTANDING // readers, 1, False, host=host)
        rig.run()
        return rig

    def _ratio(self, k: float = K, bio_ns: int = BIO_NS, readers: int = 1) -> float:
        with_deadline = self._rig(self.deadline_us, k, bio_ns, readers)
        return with_deadline.mb_per_s() / self._rig(0, k, bio_ns, readers).mb_per_s()

    def _compare(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        for k in (K, K_OF_CEILING):
            speeds: list[float] = []
            for deadline_us in (0.0, self.deadline_us):
                rig = self._rig(deadline_us, k)
                speeds.append(rig.mb_per_s())
                rows.append(
                    [k, deadline_us, rig.commands(), rig.sectors_per_command(), rig.mb_per_s(), speeds[-1] / speeds[0]]
                )
                found.records.append({"k": k, "deadline_us": deadline_us, "mb_per_s": rig.mb_per_s()})
            found.claims.append(
                Claim(
                    f"throughput with the deadline, without it = 1, at k = {k:g}",
                    DERIVED,
                    speeds[1] / speeds[0],
                    1.9 if k == K else 1.5,
                    gain(k, BIOS_MAX),
                    "threshold of seeds.md 1.6 and the ceiling (1 + k) / (1 + k / 128); 0ce65797a7 says 90 % and more, "
                    "of storage whose k is not known"
                    if k == K
                    else "here the ceiling itself is 1.9; the lower bound is this project's own",
                    "L-5",
                )
            )
        found.tables.append(
            Table(
                f"{self.reads:,} sequential reads of 4 KiB, {OUTSTANDING:,} open",
                ("k", "deadline, us", "commands", "sectors each", "MB/s", "without = 1"),
                rows,
            )
        )

    def _sweep_k(self, found: Findings) -> None:
        ratios = [self._ratio(k) for k in self.ks]
        found.curves.append(
            Curve(
                f"What a merge deadline of {DEADLINE_US} us gains, by the fixed cost of a command",
                "k: fixed part of a command, in times of 4 KiB of data",
                "throughput, without it = 1",
                [
                    Series("measured", self.ks, ratios),
                    Series("ceiling, (1 + k) / (1 + k / 128)", self.ks, [gain(k, BIOS_MAX) for k in self.ks]),
                    Series("published: 1.9 and more", [self.ks[0], self.ks[-1]], [1.9, 1.9]),
                ],
                log_x=True,
                log_y=True,
            )
        )
        found.limits.append(
            f"k: 1.9 times as fast at {where('k', self.ks, ratios, 1.9)}, less below (P = {PATHS}, {OUTSTANDING:,} open)"
        )

    def _sweep_others(self, found: Findings) -> None:
        base = self._rig(0).mb_per_s()
        by_deadline = [self._rig(deadline_us).mb_per_s() / base for deadline_us in self.deadlines_us]
        by_bio = [self._ratio(bio_ns=round(us * NS_PER_US)) for us in self.bio_us]
        by_readers = [self._ratio(readers=readers) for readers in self.readers]
        found.curves += [
            Curve(
                "What a merge deadline gains, by its length",
                "deadline, us",
                "throughput, without it = 1",
                [Series(f"a bio every {BIO_NS / NS_PER_US:g} us", self.deadlines_us, by_deadline)],
                log_x=True,
            ),
            Curve(
                f"What a merge deadline of {DEADLINE_US} us gains, by how fast bios come",
                "host time per bio, us",
                "throughput, without it = 1",
                [Series(f"k = {K:g}", self.bio_us, by_bio)],
                log_x=True,
            ),
        ]
        found.tables.append(
            Table(
                f"More than one sequence at once (deadline {self.deadline_us:g} us, k = {K:g})",
                ("readers", "throughput, without it = 1"),
                [[readers, ratio] for readers, ratio in zip(self.readers, by_readers, strict=True)],
                "What is held back is only what goes on where the very last request ended.",
            )
        )
        service_us = (1 + K) * T4_NS / PATHS / NS_PER_US
        found.limits += [
            f"deadline: 1.9 times as fast at {where('deadline', self.deadlines_us, by_deadline, 1.9, ' us')} (a bio "
            f"every {BIO_NS / NS_PER_US:g} us)",
            f"submitter: 1.9 times as fast at {where('host time per bio', self.bio_us, by_bio, 1.9, ' us')}; a "
            f"submitter slower than the paths together, which take {service_us:g} us a bio, leaves nothing to gain",
            f"readers: with {self.readers[-1]} at once the gain is {by_readers[-1]:.2f}, with one {by_readers[0]:.2f}",
        ]
