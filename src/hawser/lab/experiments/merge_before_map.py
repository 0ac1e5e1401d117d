"""merge-before-map: what it costs to choose a path bio by bio, before anything could merge (the RFC of 2008, "Background")."""

from hawser.core.units import KIB, MIB
from hawser.lab.experiments.base import (
    BAR,
    DERIVED,
    FITTED,
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
# 44 and 160 MB/s; 120 and 115 MB/s.
SHREDDED = 44 / 160
MAIL = "dm-devel, January 2008, msg00122"

# Who reads from where: each reader from a path (a disk) of its own, or all from one map over all paths.
ALONE = "one path each"
BIO = "bio, round-robin"
RQ = "rq, round-robin"


class MergeBeforeMap(Experiment):
    name = "merge-before-map"
    title = "Merging has to come before the choice of a path"
    hypothesis = (
        "Mapped bio by bio, neighbouring bios go to different paths and never become one request: a sequential job of "
        "4 KiB bios is as many commands as bios, and much slower than without striping. Mapped request by request "
        "nothing is lost. With bios that are large already there is nothing to lose."
    )
    model = (
        "A path serves one command after the other in c + bytes / B, and holds d of them. Buffered readers submit "
        "windows of 128 neighbouring bios of 4 KiB under a plug, two windows each ahead; direct readers one read of 1 "
        "MiB after the other. The host takes no time."
    )
    parameters = {
        "k": K,
        "d": DEPTH,
        "P": PATHS,
        "t4_us": 10,
        "readers": PATHS,
        "bio_bytes": BLOCK,
        "window_bios": BIOS_MAX,
        "windows_ahead": 2,
        "max_segments": BIOS_MAX,
    }
    source = (
        f"{MAIL} (4 paths, rr_min_io 1, 4 dd: buffered 44 against 160 MB/s, direct 120 against 115 MB/s); iostat of "
        "RHEL 5 with a bio-based map (8 sectors per write above, 1,021 below)"
    )
    requirements = ("S1-D7", "L-1", "L-2")

    # How much is asked: bios of a job that is counted, bios per reader, reads of 1 MiB per reader.
    bios = 65_536
    reader_bios = 4_096
    direct_reads = 64
    ks: tuple[float, ...] = (0.03, 0.1, 0.3, 0.91, 2, K, 5, 10, 30)
    windows: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, BIOS_MAX)
    # Of every queue: 2 takes away what all of this is about.
    nomerges = 0

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._count(found)
        progress(0.3, "readers")
        self._readers(found)
        progress(0.5, "k")
        self._sweep_k(found)
        progress(0.8, "where it ends")
        self._sweep_others(found)
        return found

    # Commands.

    def _count(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        per_command: dict[str, tuple[int, float]] = {}
        for what, mode, paths in (("rq", "rq", PATHS), ("bio", "bio", PATHS), ("bio, one path", "bio", 1)):
            rig = StackRig(mode, paths, DEPTH, K)
            rig.set_nomerges(self.nomerges)
            rig.sequence(self.bios, batch=2 * BIOS_MAX)
            rig.run()
            per_command[what] = rig.commands(), rig.sectors_per_command()
            rows.append([what, rig.commands(), rig.sectors_per_command(), rig.merges_above(), rig.merges_below()])
            found.records.append({"job": what, "commands": rig.commands(), "sectors": rig.sectors_per_command()})
        found.tables.append(
            Table(
                f"A sequential job of {self.bios:,} bios of 4 KiB",
                ("map", "commands", "sectors each", "merged in the map", "merged in the paths"),
                rows,
                "Over one path, bios that the map let through one by one still merge below it, in the path's own queue.",
            )
        )
        want = self.bios // BIOS_MAX
        found.claims += [
            Claim(
                f"request by request {self.bios:,} bios are so many commands",
                DERIVED,
                per_command["rq"][0],
                want,
                want,
                "128 segments of 4 KiB to a request; seeds.md 1.2",
                "S1-D7",
            ),
            Claim(
                "bio by bio they are as many commands as bios",
                DERIVED,
                per_command["bio"][0],
                self.bios,
                self.bios,
                "no two neighbours go to the same path; seeds.md 1.2",
                "S1-D7",
            ),
            Claim(
                "bio-based over one path they merge below it, as they did in RHEL 5: 1,021 sectors per command, within 1 %",
                PREDICTED,
                per_command["bio, one path"][1],
                1021 * 0.99,
                1021 * 1.01,
                "iostat of RHEL 5, seeds.md 2.2",
                "S1-D7",
                "sectors",
            ),
        ]

    # Throughput.

    def _speed(
        self,
        who: str,
        k: float = K,
        paths: int = PATHS,
        depth: int = DEPTH,
        window: int = BIOS_MAX,
        readers: int = PATHS,
        direct: bool = False,
    ) -> float:
        rig = StackRig("rq" if who == RQ else "bio", paths, depth, k, apart=who == ALONE)
        rig.set_nomerges(self.nomerges)
        if direct:
            rig.read(self.direct_reads, readers, MIB)
        else:
            rig.read(self.reader_bios, readers, BLOCK, 2 * window, window)
        rig.run()
        return rig.mb_per_s()

    def _readers(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        ratios: dict[tuple[str, bool], float] = {}
        bars: list[Series] = []
        for direct, job in ((False, "buffered, bios of 4 KiB"), (True, "direct, bios of 1 MiB")):
            speeds = {who: self._speed(who, direct=direct) for who in (ALONE, BIO, RQ)}
            for who, speed in speeds.items():
                ratios[who, direct] = speed / speeds[ALONE]
                rows.append([job, who, speed, ratios[who, direct]])
                found.records.append({"job": job, "who": who, "mb_per_s": speed})
            bars.append(Series(job, [ALONE, BIO, RQ], [ratios[who, direct] for who in (ALONE, BIO, RQ)]))
        published = Series("published, buffered", [ALONE, BIO], [1.0, SHREDDED])
        found.curves.append(
            Curve(
                "Four readers, four paths: what striping costs",
                "",
                "throughput, one path each = 1",
                [*bars, published, Series("published, direct", [ALONE, BIO], [1.0, 120 / 115])],
                BAR,
            )
        )
        found.tables.append(
            Table(
                "Four readers of four paths",
                ("job", "map", "MB/s", "of one path each"),
                rows,
                f"Published ({MAIL}): buffered 44 of 160 MB/s, 0.275; direct 120 of 115 MB/s, 1.04. The model's MB/s "
                "are those of t4 = 10 us and mean nothing by themselves.",
            )
        )
        found.claims += [
            Claim(
                "buffered, striped bio by bio: of the throughput of one path each",
                FITTED,
                ratios[BIO, False],
                0.245,
                0.305,
                f"{MAIL}: 44 of 160 MB/s, from which k = 2.7 is solved",
                "L-1",
            ),
            Claim(
                "buffered, striped request by request: of the same",
                DERIVED,
                ratios[RQ, False],
                0.95,
                None,
                "seeds.md 1.6; nobody has published this one",
                "L-1",
            ),
            Claim(
                "direct reads of 1 MiB, striped bio by bio: of the same",
                PREDICTED,
                ratios[BIO, True],
                0.95,
                1.05,
                f"{MAIL}: 120 of 115 MB/s, of which the model was told nothing",
                "L-2",
            ),
        ]

    # Where it ends.

    def _sweep_k(self, found: Findings) -> None:
        lost = [self._speed(BIO, k) / self._speed(ALONE, k) for k in self.ks]
        kept = [self._speed(RQ, k) / self._speed(ALONE, k) for k in self.ks]
        found.curves.append(
            Curve(
                "What striping keeps, by the fixed cost of a command",
                "k: fixed part of a command, in times of 4 KiB of data",
                "throughput, one path each = 1",
                [
                    Series("bio, measured", self.ks, lost),
                    Series("bio, (1 + k / 128) / (1 + k)", self.ks, [1 / gain(k, BIOS_MAX) for k in self.ks]),
                    Series("rq, measured", self.ks, kept),
                ],
                log_x=True,
            )
        )
        found.records += [{"k": k, "bio": bio, "rq": rq} for k, bio, rq in zip(self.ks, lost, kept, strict=True)]
        found.limits.append(
            f"k: bio by bio keeps 0.95 of the throughput at {where('k', self.ks, lost, 0.95)} and half of it at "
            f"{where('k', self.ks, lost, 0.5)}; below there is little to lose (d = {DEPTH}, P = {PATHS})"
        )

    def _sweep_others(self, found: Findings) -> None:
        lost = [self._speed(BIO, window=window) / self._speed(ALONE, window=window) for window in self.windows]
        sizes = [window * BLOCK // KIB for window in self.windows]
        found.curves.append(
            Curve(
                "What striping keeps, by read-ahead",
                "window, KiB",
                "throughput, one path each = 1",
                [Series("bio", sizes, lost)],
                log_x=True,
            )
        )
        found.limits.append(
            "read-ahead: what can be lost is what a window holds; striping costs half of the throughput at "
            f"{where('window', sizes, lost, 0.5, ' KiB')}, less with smaller ones (k = {K})"
        )
        rows: list[list[Value]] = []
        for what, paths, depth, readers in (
            ("P = 1", 1, DEPTH, 1),
            ("P = 2", 2, DEPTH, 2),
            ("P = 8", 8, DEPTH, 8),
            ("d = 1", PATHS, 1, PATHS),
            ("d = 8", PATHS, 8, PATHS),
            ("2 readers", PATHS, DEPTH, 2),
            ("1 reader", PATHS, DEPTH, 1),
        ):
            alone = self._speed(ALONE, paths=paths, depth=depth, readers=readers)
            striped = [self._speed(who, paths=paths, depth=depth, readers=readers) / alone for who in (BIO, RQ)]
            rows.append([what, *striped])
        found.tables.append(
            Table(
                f"Other numbers of paths, commands and readers (k = {K})",
                ("changed", "bio, of one path each", "rq, of one path each"),
                rows,
                "As many readers as paths, where nothing else is said.",
            )
        )
        found.limits.append(
            f"P: with one path nothing is lost ({rows[0][1]:.2f}); from two on the loss is the same ({rows[1][1]:.2f}, "
            f"{rows[2][1]:.2f}). d decides nothing ({rows[3][1]:.2f} at d = 1)"
        )
        found.limits.append(
            f"readers: a single one gains from striping even bio by bio ({rows[6][1]:.2f} of the one path that it would "
            f"have alone), since the other {PATHS - 1} paths would idle; request by request it gains more "
            f"({rows[6][2]:.2f})"
        )
