"""resplit: what a retry does to the boundaries of I/O (Bottomley's concern in the thread of 2016)."""

from hawser.block.bio import Bio
from hawser.block.limits import QueueLimits
from hawser.block.ops import WRITE
from hawser.core.rng import Rng
from hawser.core.status import OK, TRANSPORT
from hawser.core.units import MIB, SECTOR_SHIFT
from hawser.lab.experiments.base import (
    BAR,
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
from hawser.lab.model.stack_rig import BIOS_MAX, BLOCK, BLOCK_SECTORS
from hawser.lab.world import Answer, Client, RamPath, Store, World

PATHS = 4
SEED = 1
SMALL_SECTORS = 64
LARGE_BYTES = 256 * BLOCK

# What paths got, in order: (block, blocks) of each command.
Commands = list[tuple[int, int]]


class RetryRig:
    """One map, of groups of so many paths each, over one store. Its drivers answer as they are told (hawser.lab.world)."""

    def __init__(self, mode: str, groups: list[int], limits: QueueLimits) -> None:
        self.world = World()
        store = Store(MIB)
        count = sum(groups)
        self.paths: list[RamPath] = [self.world.ram_path(f"p{n}", store, limits=limits) for n in range(count)]
        line = f"0 {MIB >> SECTOR_SHIFT} multipath 2 queue_mode {mode} 0 {len(groups)} 1"
        first = 0
        for members in groups:
            devts = " ".join(f"259:{number}" for number in range(first, first + members))
            line += f" round-robin 0 {members} 0 {devts}"
            first += members
        self.device = self.world.mapped("mpatha", line)
        self.client = Client(self.device, self.world.disk)

    def write(self, bios: int, size: int = BLOCK) -> None:
        """Neighbouring writes in one plug, and whatever becomes of them."""
        step = size >> SECTOR_SHIFT
        self.client.submit([Bio(WRITE, number * step, size, self.client, bytes(size)) for number in range(bios)])
        self.world.run()
        assert [bio.status for bio in self.client.done] == [OK] * bios

    def sent(self, path: int) -> Commands:
        return [(sector // BLOCK_SECTORS, size // BLOCK) for _, sector, size in self.paths[path].driver.sent]

    def retried(self, first: int) -> Commands:
        """What paths from `first` on got."""
        return [command for path in range(first, len(self.paths)) for command in self.sent(path)]


class Resplit(Experiment):
    name = "resplit"
    title = "Retries and the boundaries of I/O"
    hypothesis = (
        "A request that failed is retried as one request, its boundaries those of the first attempt less what was "
        "done: nothing is merged or cut anew. Bio-based, a bio is retried whole, in as many pieces as the first time; "
        "but what had merged below comes back as single bios, and how they fit together the second time is up to the "
        "paths that are left."
    )
    model = (
        "Commands are counted, there is no clock. Neighbouring writes of 4 KiB in one plug; the first paths fail every "
        "command, after a good prefix, the others carry it out."
    )
    parameters = {
        "k": "no clock",
        "d": 128,
        "P": PATHS,
        "bio_bytes": BLOCK,
        "max_segments": BIOS_MAX,
        "large_bio_bytes": LARGE_BYTES,
        "small_max_sectors": SMALL_SECTORS,
        "seed": SEED,
    }
    source = "J. Bottomley in the post of 2016: re-sent, they may be cut differently a second time; seeds.md 1.4"
    requirements = ("S2-6",)

    trials = 200
    # What is said of requests does not hold of bios.
    mode = "rq"

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._requests(found)
        progress(0.4, "bios")
        self._pieces(found)
        progress(0.6, "what had merged")
        self._merged_below(found)
        return found

    def _requests(self, found: Findings) -> None:
        rng = Rng(SEED)
        whole = retries = again = 0
        for _ in range(self.trials):
            bios = rng.between(2, BIOS_MAX)
            fails = rng.between(1, PATHS - 1)
            rig = RetryRig(self.mode, [PATHS], QueueLimits())
            start = 0
            wanted: list[Commands] = [[(0, bios)]]
            for path in range(fails):
                # No more of it than leaves one bio to retry, and perhaps part of the next one, which then counts as not done.
                good = rng.below(bios - start)
                part = rng.below(2) * BLOCK // 2
                # (Of a command of one bio there is no good prefix.)
                done = good * BLOCK + part if self.mode == "rq" else 0
                rig.paths[path].driver.default = Answer(TRANSPORT, done)
                start += good
                wanted.append([(start, bios - start)])
            rig.write(bios)
            for path in range(1, fails + 1):
                retries += 1
                whole += rig.sent(path) == wanted[path]
            queue = rig.device.queue
            merges = int(queue.stats.writes.merges) if queue is not None else 0
            again += merges - (bios - 1)
        found.records.append({"retries": retries, "whole": whole, "merged_again": again})
        found.tables.append(
            Table(
                f"{self.trials} requests of 2 to {BIOS_MAX} bios that fail 1 to {PATHS - 1} times, after whatever was good",
                ("retries", "that were one command, what was left of the one before", "merged in later attempts"),
                [[retries, whole, again]],
            )
        )
        found.claims += [
            Claim(
                "of retries of requests, those that are one command with the old boundaries less what was done",
                DERIVED,
                whole / retries,
                1,
                1,
                "seeds.md 1.4 and 3.10",
                "S2-6",
            ),
            Claim("bios merged in later attempts", DERIVED, again, 0, 0, "seeds.md 1.4", "S2-6"),
        ]

    def _pieces(self, found: Findings) -> None:
        """A bio larger than its paths take, tried on four of them; and one that gets to a path that takes less than the "
        "others."""
        small = QueueLimits(max_sectors=SMALL_SECTORS)
        rows: list[list[Value]] = []
        alike = RetryRig("bio", [PATHS], small)
        for path in alike.paths[:-1]:
            path.driver.default = Answer(TRANSPORT)
        alike.write(1, LARGE_BYTES)
        counts = [len(alike.sent(path)) for path in range(PATHS)]
        rows.append(["all alike", *counts])
        mixed = RetryRig("bio", [PATHS], QueueLimits())
        for path in mixed.paths[:-1]:
            path.driver.default = Answer(TRANSPORT)
        mixed.paths[1].device.set_limits(small)
        mixed.write(1, LARGE_BYTES)
        cut = [len(mixed.sent(path)) for path in range(PATHS)]
        rows.append(["the second takes less", *cut])
        found.tables.append(
            Table(
                f"A bio of {LARGE_BYTES // BLOCK * 4} KiB, bio-based: commands by attempt",
                ("paths", *(f"attempt {number}" for number in range(1, PATHS + 1))),
                rows,
            )
        )
        want = LARGE_BYTES // (SMALL_SECTORS << SECTOR_SHIFT)
        found.claims += [
            Claim(
                "bio-based: most by which the pieces of a later attempt differ in number from those of the first, on paths alike",
                DERIVED,
                max(abs(count - counts[0]) for count in counts),
                0,
                0,
                "a bio is retried with the extent that it had; seeds.md 1.4",
                "S2-6",
            ),
            Claim(
                "bio-based: pieces on a path that takes less",
                DERIVED,
                cut[1],
                want,
                want,
                f"{LARGE_BYTES >> SECTOR_SHIFT} sectors, {SMALL_SECTORS} at a time; seeds.md 1.4",
                "S2-6",
            ),
            Claim(
                "and on the path after that",
                DERIVED,
                cut[2],
                cut[0],
                cut[0],
                "cutting does not add up; seeds.md 1.4",
                "S2-6",
            ),
        ]
        shrunk = RetryRig("rq", [PATHS], QueueLimits())
        shrunk.paths[0].driver.default = Answer(TRANSPORT)
        shrunk.paths[1].device.set_limits(small)
        shrunk.write(BIOS_MAX)
        found.limits.append(
            f"limits: a path that takes less since the map was made gets {len(shrunk.sent(1))} commands of a request of "
            f"{BIOS_MAX} bios, and counts as failed; the next one gets it in {len(shrunk.sent(2))}. Bio-based it is cut "
            f"for that path ({cut[1]} pieces)"
        )

    def _merged_below(self, found: Findings) -> None:
        """The first path alone in its group, so that bios merge in its queue; the others in a group of `left`."""
        rows: list[list[Value]] = []
        series: list[Series] = []
        lefts = [1, 2, 3]
        counts: dict[tuple[str, int], int] = {}
        for mode in ("bio", "rq"):
            for left in lefts:
                rig = RetryRig(mode, [1, left], QueueLimits())
                rig.paths[0].driver.default = Answer(TRANSPORT)
                rig.write(BIOS_MAX)
                counts[mode, left] = len(rig.retried(1))
                rows.append([mode, left, len(rig.sent(0)), counts[mode, left]])
                found.records.append({"mode": mode, "paths_left": left, "retry_commands": counts[mode, left]})
            series.append(Series(mode, [f"{left} left" for left in lefts], [counts[mode, left] for left in lefts]))
        found.tables.append(
            Table(
                f"{BIOS_MAX} bios that were one command, retried by the paths of another group",
                ("map", "paths left", "commands at first", "commands of the retry"),
                rows,
            )
        )
        found.curves.append(Curve("One command fails: what its retry is", "", "commands", series, BAR, log_y=True))
        found.claims += [
            Claim(
                "request-based: commands of the retry of 128 bios by three paths",
                DERIVED,
                counts[self.mode, 3],
                1,
                1,
                "the request is kept; seeds.md 1.4",
                "S2-6",
            ),
            Claim(
                "bio-based: the same",
                DERIVED,
                counts["bio", 3],
                BIOS_MAX,
                BIOS_MAX,
                "neighbours go to different paths (S1-D7)",
                "S2-6",
            ),
        ]
        found.limits.append(
            f"paths left: with one, what comes back bio by bio merges once more in its queue ({counts['bio', 1]} "
            f"command); with two {counts['bio', 2]}, with three {counts['bio', 3]}. Request-based {counts['rq', 1]}, "
            f"{counts['rq', 2]}, {counts['rq', 3]}"
        )
