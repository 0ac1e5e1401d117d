"""Tables of a drawn plan: multipath lines over `{p0}`, `{p1}`, ..., other ones for a reload, and ones that must be refused.

Where a path has a cache of its own every group has one path, as the target demands.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from hawser.core.rng import Rng
from hawser.multipath.selectors.io_affinity import IoAffinity

SELECTORS: Final = ("round-robin", "queue-length", "service-time", "historical-service-time", "io-affinity")


@dataclass(frozen=True)
class Layout:
    """`groups` are lists of path numbers; `initial` counts from 1; `words`: how many words each path gets (0 to 2). `names`: what
    a table calls them, if not `p0` and so on."""

    size_sectors: int
    mode: str
    groups: list[list[int]]
    selectors: list[str]
    initial: int = 1
    queues: bool = False
    extras: list[str] = field(default_factory=list)
    words: int = 0
    names: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The table line."""
        features = [*self.extras, "queue_mode", self.mode]
        if self.queues:
            features = ["queue_if_no_path", *features]
        text = [
            f"0 {self.size_sectors} multipath {len(features)}",
            *features,
            "0",
            str(len(self.groups)),
            str(self.initial),
        ]
        for group, selector in zip(self.groups, self.selectors, strict=True):
            told = [self._words(selector, place, path) for place, path in enumerate(group)]
            text.append(f"{selector} 0 {len(group)} {len(told[0])}")
            for path, words in zip(group, told, strict=True):
                text += [f"{{{self.name(path)}}}", *words]
        return " ".join(text)

    def name(self, path: int) -> str:
        """What tables and messages call a path."""
        return self.names[path] if self.names else f"p{path}"

    def _words(self, selector: str, place: int, path: int) -> list[str]:
        """A repeat count, then a throughput; or the mask of a CPU, next to one that nobody owns if there are to be words. All are
        of no consequence but to the selector."""
        if selector == "io-affinity":
            return mask_words(place * 2 if self.words else place)
        return ["1", str(1 + path * 7 % 20)][: min(self.words, 2 if selector == "service-time" else 1)]


def mask_words(cpu: int) -> list[str]:
    """What `io-affinity` is told of a path that has this CPU."""
    return IoAffinity().words_for(cpu, 1)


def draw_layout(rng: Rng, size_sectors: int, mode: str, paths: int, groups: int, queues: bool) -> Layout:
    """`paths` paths in `groups` groups, as evenly as can be."""
    members = [[path for path in range(paths) if path % groups == number] for number in range(groups)]
    same = SELECTORS[rng.below(len(SELECTORS))]
    selectors = [same if rng.chance(3, 4) else SELECTORS[rng.below(len(SELECTORS))] for _ in members]
    initial = 1 if rng.chance(3, 4) else rng.between(1, groups)
    extras: list[str] = []
    if rng.chance(1, 8):
        extras = ["retain_attached_hw_handler"] if rng.chance(1, 2) else ["pg_init_retries", str(rng.between(1, 50))]
    return Layout(size_sectors, mode, members, selectors, initial, queues, extras, rng.below(3))


def another(rng: Rng, layout: Layout, one_path_groups: bool) -> Layout:
    """The same disk by another table of the same kind: other selectors, order, grouping, features, or a path less."""
    members = [list(group) for group in layout.groups]
    change = rng.below(4)
    if change == 0 and len(members) > 1:
        members = members[1:] + members[:1]
    elif change == 1 and sum(len(group) for group in members) > 2:
        members[rng.below(len(members))].pop()
        members = [group for group in members if group]
    elif change == 2 and not one_path_groups:
        paths = sorted(path for group in members for path in group)
        members = [paths] if len(members) > 1 else [[path] for path in paths]
    mode = layout.mode
    if mode != "bio" and rng.chance(1, 4):
        mode = "mq" if mode == "rq" else "rq"
    return replace(
        layout,
        mode=mode,
        groups=members,
        selectors=[SELECTORS[rng.below(len(SELECTORS))] for _ in members],
        initial=rng.between(1, len(members)),
        queues=layout.queues if rng.chance(3, 4) else not layout.queues,
        words=rng.below(3),
    )


def refused(rng: Rng, layout: Layout, own_caches: bool) -> str:
    """A table that is refused, over this or any disk: the words are wrong, or it could not be safe."""
    line = layout.line()
    size = str(layout.size_sectors)
    first = f" {layout.selectors[0]} 0 "
    wrong = [
        line.replace(f" {layout.mode} 0 ", f" {layout.mode} 1 ", 1),
        line.replace(first, " fastest 0 ", 1),
        line.replace(f"{{{layout.name(0)}}}", "259:999", 1),
        line.replace(f"0 {size} ", f"0 {int(size) * 2} ", 1),
        line.replace("queue_mode", "queue_mood", 1),
        line.replace(f"0 {size} ", f"8 {size} ", 1),
        line.replace(" multipath ", " multipathe ", 1),
        f"{line} {{{layout.name(0)}}}",
        f"{line}\n{size} 8 error",
        f"0 0 multipath 0 0 1 1 round-robin 0 1 0 {{{layout.name(0)}}}",
        replace(layout, mode="rq" if layout.mode == "bio" else "bio").line(),
    ]
    if own_caches:
        paths = sorted(path for group in layout.groups for path in group)
        wrong.append(replace(layout, groups=[paths], selectors=layout.selectors[:1], initial=1).line())
    return wrong[rng.below(len(wrong))]
