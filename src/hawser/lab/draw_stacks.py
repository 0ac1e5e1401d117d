"""Devices of a drawn plan around its map: what its paths lead through, what stands on it, and a second map.

    under      linear, delay, dust and flakey devices between some paths and a bio-based map; two linear ones over one path
    on top     linear pieces, stripes or a mirror over one map, or over two maps of a disk each; delay, dust and flakey
    twins      two maps over paths of one disk, both open, or both below a third map

Whatever is drawn keeps the data: a sector of the device on top has its places on the array, and what was acknowledged there must
be there. So of flakey's features only those are drawn that fail I/O: `drop_writes`, `corrupt_bio_byte` and its like are made to
lose acknowledged data, and no judge could tell that from a loss that matters. Nor is the table of a mirror ever loaded again:
whoever does that has copied the leg that was out, and nobody here has.
"""

from dataclasses import replace
from typing import Final

from hawser.core.rng import Rng
from hawser.lab.draw_tables import SELECTORS, Layout, draw_layout, mask_words
from hawser.lab.plan import MAP_NAME, DevicePlan, Plan

SECOND: Final = "mpathb"
TOP: Final = "top"
MAP_WORD: Final = f"{{{MAP_NAME}}}"
SECOND_WORD: Final = f"{{{SECOND}}}"

# Kinds of what stands on one map, or on two of a disk each, and of what two maps of one disk are for.
ON_ONE: Final = ("linear", "pieces", "stripes", "mirror", "delay", "dust", "flakey")
ON_TWO: Final = ("joined", "stripes of two", "mirror of two", "mirror of two")
TWINS: Final = ("twins", "twins", "twins below a map")
UNDER: Final = ("linear", "delay", "dust", "flakey")
FLAKEY_FEATURES: Final = ("", " 1 error_reads", " 1 error_writes", " 2 error_reads error_writes")
PIECES_MAX: Final = 4
# Beside what paths lead through already, so that a run stays short.
DELAY_MS_MAX: Final = 20


def draw_kind(rng: Rng, mode: str, may_share: bool) -> str:
    """What stands on the map. `may_share`: several maps may use the disk at once."""
    if rng.chance(11, 20):
        return ""
    kinds = [*ON_ONE]
    if may_share:
        kinds += [*ON_TWO, *TWINS, *TWINS]
    if mode != "bio":
        kinds.append("map above")
    return kinds[rng.below(len(kinds))]


class StackDraw:
    """For a plan whose disk and paths are drawn. `names`: what the map has for paths."""

    def __init__(self, rng: Rng, plan: Plan, queues: bool) -> None:
        self.rng = rng
        self.plan = plan
        self.queues = queues
        self.unit = plan.declared_unit_sectors
        self.names = [f"p{number}" for number, path in enumerate(plan.paths) if path.lun == 0]

    # Under paths.

    def under(self, wished: str) -> None:
        """Devices between paths and the map, which is bio-based; all of the kind that is `wished`, if one is."""
        rng, plan = self.rng, self.plan
        same = wished or (UNDER[rng.below(len(UNDER))] if rng.chance(1, 2) else "")
        for place, name in enumerate(self.names):
            if rng.chance(2, 3):
                kind = same or UNDER[rng.below(len(UNDER))]
                plan.below.append(DevicePlan(f"u{place}", self._through(kind, name, plan.size_sectors)))
                self.names[place] = f"u{place}"
        if rng.chance(1, 3):
            path = rng.below(len(self.names))
            plan.below.append(DevicePlan("twin", [f"0 {plan.size_sectors} linear {{p{path}}} 0"]))
            if self.names[path] == f"p{path}":
                plan.below.append(DevicePlan(f"u{path}", [f"0 {plan.size_sectors} linear {{p{path}}} 0"]))
                self.names[path] = f"u{path}"
            self.names.append("twin")

    def _through(self, kind: str, name: str, size: int) -> list[str]:
        """Tables of a device that passes everything on, most of the time."""
        rng = self.rng
        start = f"0 {size} {kind} {{{name}}} 0"
        if kind == "linear":
            return [start, *self._cut_up(name, size)]
        if kind == "delay":
            reads, writes = rng.below(DELAY_MS_MAX), rng.below(DELAY_MS_MAX)
            more = f" {{{name}}} 0 {writes}" + (f" {{{name}}} 0 {rng.below(DELAY_MS_MAX)}" if rng.chance(1, 2) else "")
            return [f"{start} {reads}" + (more if rng.chance(2, 3) else "")]
        if kind == "dust":
            return [f"{start} {512 * max(self.unit, 1 << rng.below(4))}"]
        up_s, down_s = rng.between(1, 2), rng.between(1, 2)
        return [f"{start} {up_s} {down_s}{FLAKEY_FEATURES[rng.below(len(FLAKEY_FEATURES))]}"]

    def _cut_up(self, name: str, size: int) -> list[str]:
        """The same by a table of two lines, or nothing."""
        cut = size // 2 // self.unit * self.unit
        if not cut or self.rng.chance(1, 2):
            return []
        return [f"0 {cut} linear {{{name}}} 0\n{cut} {size - cut} linear {{{name}}} {cut}"]

    # On top.

    def on_top(self, kind: str) -> None:
        plan, size = self.plan, self.plan.size_sectors
        if kind in ON_TWO:
            plan.above.append(DevicePlan(SECOND, [self._second_table(1, plan.mode)], self._scheduler()))
        if kind in TWINS:
            self._twins(kind)
        elif kind == "map above":
            plan.above.append(DevicePlan(TOP, [self._map_over([MAP_WORD])], self._scheduler()))
        elif kind in ("linear", "delay", "dust", "flakey"):
            plan.above.append(DevicePlan(TOP, self._through(kind, MAP_NAME, size)))
        elif kind in ("pieces", "joined"):
            plan.above.append(DevicePlan(TOP, [self._pieces(1 if kind == "pieces" else 2)]))
        elif kind in ("stripes", "stripes of two"):
            plan.above.append(DevicePlan(TOP, [self._striped(1 if kind == "stripes" else 2)]))
        elif kind == "mirror":
            half = size // 2 // self.unit * self.unit
            plan.above.append(DevicePlan(TOP, [f"0 {half} raid1 2 {MAP_WORD} 0 {MAP_WORD} {half}"]))
        elif kind == "mirror of two":
            plan.above.append(DevicePlan(TOP, [f"0 {size} raid1 2 {MAP_WORD} 0 {SECOND_WORD} 0"]))

    def _second_table(self, lun: int, mode: str) -> str:
        """A map like the first, over the paths of that disk."""
        rng, plan = self.rng, self.plan
        names = [f"p{number}" for number, path in enumerate(plan.paths) if path.lun == lun]
        if lun == 0:
            names = [name for name in names if rng.chance(2, 3)] or names[:1]
        groups = rng.between(1, len(names))
        layout = draw_layout(rng, plan.size_sectors, mode, len(names), groups, self.queues)
        return replace(layout, names=names).line()

    def _scheduler(self) -> str:
        return "mq-deadline" if self.rng.chance(1, 3) else "none"

    def _twins(self, kind: str) -> None:
        rng, plan = self.rng, self.plan
        together = kind == "twins below a map"
        modes = ("rq", "mq") if plan.mode != "bio" or rng.chance(1, 2) else ("bio",)
        mode = plan.mode if together else modes[rng.below(len(modes))]
        plan.above.append(DevicePlan(SECOND, [self._second_table(0, mode)], self._scheduler()))
        if together:
            plan.above.append(DevicePlan(TOP, [self._map_over([MAP_WORD, SECOND_WORD])], self._scheduler()))
        else:
            plan.top = MAP_NAME

    def _map_over(self, below: list[str]) -> str:
        """A map over maps, of the same kind."""
        selector = SELECTORS[self.rng.below(len(SELECTORS))]
        features = f"3 queue_if_no_path queue_mode {self.plan.mode}"
        told = [mask_words(place) if selector == "io-affinity" else [] for place in range(len(below))]
        paths = " ".join(" ".join([name, *words]) for name, words in zip(below, told, strict=True))
        return f"0 {self.plan.size_sectors} multipath {features} 0 1 1 {selector} 0 {len(below)} {len(told[0])} {paths}"

    def _pieces(self, disks: int) -> str:
        """Linear pieces of one map or two, in any order."""
        rng, size, unit = self.rng, self.plan.size_sectors, self.unit
        pieces: list[tuple[str, int, int]] = []
        for word in (MAP_WORD, SECOND_WORD)[:disks]:
            cuts = {rng.below(size // unit) * unit for _ in range(rng.between(1, PIECES_MAX) - 1)} - {0}
            starts = [0, *sorted(cuts)]
            ends = [*starts[1:], size]
            pieces += [(word, start, end - start) for start, end in zip(starts, ends, strict=True)]
        lines: list[str] = []
        begin = 0
        while pieces:
            word, start, length = pieces.pop(rng.below(len(pieces)))
            lines.append(f"{begin} {length} linear {word} {start}")
            begin += length
        return "\n".join(lines)

    def _striped(self, disks: int) -> str:
        """Two stripes, on a disk each or on the halves of one."""
        size = self.plan.size_sectors if disks == 2 else self.plan.size_sectors // 2
        chunk = self.unit * (1 << self.rng.below(4))
        while size < chunk:
            chunk //= 2
        width = size // chunk * chunk
        second = f"{SECOND_WORD} 0" if disks == 2 else f"{MAP_WORD} {width}"
        return f"0 {2 * width} striped 2 {chunk} {MAP_WORD} 0 {second}"


def named(layout: Layout, names: list[str]) -> Layout:
    """The same over the paths of these names, of which there may be more than the layout has: they join the last group."""
    groups = [list(group) for group in layout.groups]
    groups[len(groups) - 1] += range(sum(len(group) for group in groups), len(names))
    return replace(layout, names=names, groups=groups)
