"""ServeOptions and ProcessOptions: what `hawser serve` was asked to do, for each disk and for all of them, checked."""

from dataclasses import dataclass, field

from hawser.block.elevators.base import ELEVATORS
from hawser.core.units import NS_PER_S
from hawser.dm.control import NAME_MAX, RESERVED_NAMES
from hawser.dm.dmsetup.names import PLAIN, is_plain
from hawser.dm.parameters import ParameterError, Parameters
from hawser.exports.listen_uri import ListenUri
from hawser.manager.policy import Policy
from hawser.multipath.disk import CACHE_LUN, CACHE_NONE
from hawser.multipath.retained import RETAINED_BYTES_MAX
from hawser.multipath.selectors.base import PathSelector, find_selector, selector_names
from hawser.paths.uri import PathUri


class OptionError(ValueError):
    """Options that cannot be used together, or at all; the message says which and what would be right."""


@dataclass(frozen=True)
class ProcessOptions:
    """What belongs to the process, whichever disks it serves."""

    control: str = ""
    # The program, and its first arguments, that cuts off a path (hawser.service.fence_agent); none: empty.
    fence_agent: list[str] = field(default_factory=list)
    # What is set for the whole process, as `NAME=VALUE` (hawser.dm.parameters).
    parameters: list[str] = field(default_factory=list)

    def check_parameters(self, prefix: str = "--") -> None:
        """Refuse what `Parameters.assign` does. `prefix` is what stands before an option's name where the user wrote it."""
        try:
            for text in self.parameters:
                Parameters().assign(text)
        except ParameterError as error:
            raise OptionError(f"{prefix}parameter: {error}") from None


@dataclass(frozen=True)
class ServeOptions:
    """Of one disk. `grouping` is `failover`, `multibus` or empty for the safe default; `table` a multipath line that replaces the
    built one."""

    paths: list[PathUri]
    listen: list[ListenUri]
    name: str = "mpatha"
    queue_mode: str = "rq"
    selector: str = "service-time 0"
    grouping: str = ""
    policy: Policy = field(default_factory=Policy)
    io_timeout_ns: int = 30 * NS_PER_S
    table: str = ""
    read_only: bool = False
    scheduler: str = "none"
    # Further mapped devices, name and table, in the order in which they are made; which one is exported (empty: the last one).
    devices: list[tuple[str, str]] = field(default_factory=list)
    export: str = ""
    # How much of unflushed writes is kept for each path with a cache of its own (hawser.multipath.retained).
    retain_bytes: int = RETAINED_BYTES_MAX
    # Fences off (hawser.multipath.fence): to show what they prevent, never for data.
    unsafe_no_fence: bool = False
    # Where what must be found again after a crash is kept (hawser.service.state_dir); empty: nowhere.
    state_dir: str = ""
    # The smallest block that clients are told of, in bytes, if the paths do not need larger ones.
    block_size: int = 0

    def check_devices(self, prefix: str = "--") -> None:
        """Refuse names that are taken or cannot be, an export, selector or elevator that there is not."""
        names = [self.name, *(name for name, _ in self.devices)]
        for name in names:
            check_name(name)
            if names.count(name) > 1:
                raise OptionError(f"there are two devices named {name!r}")
        if self.export and self.export not in names:
            raise OptionError(f"{prefix}export {self.export}: no such device; there are {', '.join(names)}")
        if not self.table:
            _make_selector(self.selector, f"{prefix}selector")
        if self.scheduler not in ELEVATORS:
            raise OptionError(f"{prefix}scheduler {self.scheduler}: there are {', '.join(sorted(ELEVATORS))}")

    def below(self) -> list[tuple[str, str]]:
        """The devices that are made before the map: all up to the first whose table names it."""
        for number, (_, table) in enumerate(self.devices):
            if self.name in table.split():
                return self.devices[:number]
        return self.devices

    def above(self) -> list[tuple[str, str]]:
        return self.devices[len(self.below()) :]

    def grouped(self) -> list[list[int]]:
        """The paths' indices by priority group. Paths that share no cache are never spread over (DESIGN, Hard problems 2)."""
        if any(path.group is not None for path in self.paths):
            return self._stated_groups()
        if (self.grouping or self._safe_grouping()) == "multibus":
            return [list(range(len(self.paths)))]
        return [[index] for index in range(len(self.paths))]

    def _safe_grouping(self) -> str:
        shared = all(path.cache in (CACHE_LUN, CACHE_NONE) for path in self.paths)
        return "multibus" if shared else "failover"

    def _stated_groups(self) -> list[list[int]]:
        missing = [path.text for path in self.paths if path.group is None]
        if missing:
            raise OptionError(f"path {missing[0]!r} states no group; give group=N to every path or to none")
        numbers = sorted({path.group for path in self.paths if path.group is not None})
        return [[index for index, path in enumerate(self.paths) if path.group == number] for number in numbers]


def build_table(options: ServeOptions, devts: list[str], size_sectors: int) -> str:
    """The multipath line for these paths, whose devices have the numbers `devts`."""
    features = ["queue_if_no_path"] if options.policy.queues() else []
    if options.queue_mode != "rq":
        features += ["queue_mode", options.queue_mode]
    groups = options.grouped()
    line = [f"0 {size_sectors} multipath {len(features)}", *features, "0", str(len(groups)), "1"]
    for group in groups:
        told = _path_words(options.selector, [options.paths[index].weight for index in group])
        line += [options.selector, str(len(group)), str(len(told[0]))]
        for index, words in zip(group, told, strict=True):
            line += [devts[index], *words]
    return " ".join(line)


def check_name(name: str) -> None:
    """OptionError for what dmsetup would have to write in another way (hawser.dm.dmsetup.names)."""
    size = len(name.encode("utf-8", "replace"))
    if not 1 <= size <= NAME_MAX or name in RESERVED_NAMES or not is_plain(name):
        raise OptionError(
            f"no map can have the name {name!r}: it has 1 to {NAME_MAX} bytes, letters, digits and {PLAIN.decode()}"
        )


def _path_words(text: str, weights: list[int]) -> list[list[str]]:
    """What the selector of an option wants to know of each path of a group. OptionError when there is no such selector."""
    selector = _make_selector(text, "selector")
    try:
        return [selector.words_for(place, weight) for place, weight in enumerate(weights)]
    except ValueError as error:
        raise OptionError(f"selector {text!r}: {error}") from None


def _make_selector(text: str, what: str) -> PathSelector:
    """OptionError, which calls it `what`, when there is no such selector, or it refuses its arguments."""
    name, *rest = text.split() or [""]
    arguments = rest[1:]
    try:
        make = find_selector(name)
        if make is not None and rest[:1] == [str(len(arguments))]:
            return make(arguments)
    except ValueError as error:
        raise OptionError(f"{what} {text!r}: {error}") from None
    if make is None:
        raise OptionError(f"{what} {text!r}: unknown path selector; there are {', '.join(selector_names())}")
    right = " ".join([name, str(len(arguments)), *arguments])
    raise OptionError(f'{what} {text!r}: its name, the number of its arguments, and these are wanted: "{right}"')
