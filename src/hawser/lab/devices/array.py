"""Array: the medium that keeps the data, the caches before it, and its controllers.

Fault model. The medium is perfect: what reached it stays, sector by sector, and a sector is written whole or not at all; a
write of several sectors is atomic towards other commands unless it is smaller than the read-modify-write unit (below). What may
be lost are caches: a volatile one at a power loss, a controller's own at a restart without it, and what a failed flush drops.
Caches write back whenever they like, in any order. The kinds:

    lun    one cache behind all controllers: coherent, and it outlives every controller
    path   a cache per controller; they know nothing of each other: stale reads, old over new. With `caches_reads` it also keeps
           what it has read, clean, and answers from that for ever (another host's page cache)
    none   written through

A write that does not cover whole read-modify-write units is done in two steps: `begin` takes a picture of the units it touches,
`write` puts the changed picture back; what others wrote into those units in between is undone (`rmw-neighbour.py` of the
hazards).
FUA writes reach the medium before they return.

Every sector holds the value of the write that put it there (hawser.lab.payload).
"""

from typing import Final

from mypy_extensions import mypyc_attr

CACHE_LUN: Final = "lun"
CACHE_PATH: Final = "path"
CACHE_NONE: Final = "none"


@mypyc_attr(allow_interpreted_subclasses=True)
class ArrayWatcher:
    """Who is told what the array does to data. `controller` is the name of the one whose cache it was, or `array`."""

    def stored(self, controller: str, sector: int, values: list[int]) -> None:
        """These values can be read through this controller from now on."""

    def lost(self, controller: str, sector: int, value: int, cause: str) -> None:
        """A value that was written, and not flushed, is gone from the cache."""


class Cache:
    """`dirty` has not reached the medium; `clean` has been read from it.

    `errors` counts the flushes that have failed, `errors_told` how many of these somebody was told of.
    """

    def __init__(self, name: str, keeps_reads: bool) -> None:
        self.name = name
        self.keeps_reads = keeps_reads
        self.dirty: dict[int, int] = {}
        self.clean: dict[int, int] = {}
        self.errors = 0
        self.errors_told = 0

    def is_dirty(self) -> bool:
        return len(self.dirty) > 0


class Array:
    """`size_sectors` sectors behind `controllers` controllers, `s0`, `s1`, ..."""

    def __init__(
        self,
        size_sectors: int,
        controllers: int,
        cache: str = CACHE_LUN,
        volatile: bool = True,
        unit_sectors: int = 1,
        caches_reads: bool = False,
        watcher: ArrayWatcher | None = None,
    ) -> None:
        self.medium = [0] * size_sectors
        self.cache = cache
        self.volatile = volatile
        self.unit_sectors = unit_sectors
        self.watcher = watcher if watcher is not None else ArrayWatcher()
        shared = Cache("array", keeps_reads=False)
        self.controllers: list[Controller] = []
        for number in range(controllers):
            own = Cache(f"s{number}", caches_reads) if cache == CACHE_PATH else shared
            self.controllers.append(Controller(self, f"s{number}", own))

    def caches(self) -> list[Cache]:
        """Each cache once."""
        found: list[Cache] = []
        for controller in self.controllers:
            if controller.cache not in found:
                found.append(controller.cache)
        return found

    def lose_power(self) -> None:
        """Volatile caches are empty afterwards, and so is what a server keeps in its memory. Others write back what they had,
        first of all: what is there after a power loss is not lost by a flush that fails later."""
        for cache in self.caches():
            cache.clean = {}
            if self.volatile or self.cache == CACHE_PATH:
                self.drop(cache, "power loss")
            else:
                self.write_back(cache, len(cache.dirty))

    def write_back(self, cache: Cache, most: int) -> int:
        """Up to `most` dirty sectors, oldest first, reach the medium, as a cache does by itself. How many did."""
        done = 0
        for place in list(cache.dirty)[:most]:
            self.medium[place] = cache.dirty.pop(place)
            if cache.keeps_reads:
                cache.clean[place] = self.medium[place]
            done += 1
        return done

    def drop(self, cache: Cache, cause: str) -> None:
        """Forget what `cache` has not written back."""
        dirty = cache.dirty
        cache.dirty = {}
        cache.clean = {}
        for sector, value in dirty.items():
            if self.medium[sector] != value and not any(other.dirty.get(sector) == value for other in self.caches()):
                self.watcher.lost(cache.name, sector, value, cause)


class Controller:
    """One way into the array: what a server does when it carries out a command. Sectors and counts are whole."""

    def __init__(self, array: Array, name: str, cache: Cache) -> None:
        self.array = array
        self.name = name
        self.cache = cache

    def read(self, sector: int, count: int) -> list[int]:
        """What a read of `count` sectors returns now."""
        cache = self.cache
        medium = self.array.medium
        values: list[int] = []
        for place in range(sector, sector + count):
            value = cache.dirty.get(place)
            if value is None:
                value = cache.clean.get(place)
                if value is None:
                    value = medium[place]
                    if cache.keeps_reads:
                        cache.clean[place] = value
            values.append(value)
        return values

    def begin(self, sector: int, count: int) -> list[int] | None:
        """The picture that a write of these sectors starts from, or None when it covers whole units."""
        unit = self.array.unit_sectors
        if unit == 1 or (sector % unit == 0 and (sector + count) % unit == 0):
            return None
        first = sector // unit * unit
        end = min(-(-(sector + count) // unit) * unit, len(self.array.medium))
        return self.read(first, end - first)

    def write(self, sector: int, values: list[int], fua: bool, picture: list[int] | None = None) -> None:
        """Write; with a picture, of the whole units that it is of."""
        if picture is not None:
            first = sector // self.array.unit_sectors * self.array.unit_sectors
            values = picture[: sector - first] + values + picture[sector - first + len(values) :]
            sector = first
        cache = self.cache
        medium = self.array.medium
        through = fua or self.array.cache == CACHE_NONE
        for index, value in enumerate(values):
            place = sector + index
            cache.clean.pop(place, None)
            if through:
                cache.dirty.pop(place, None)
                medium[place] = value
            else:
                cache.dirty[place] = value
        self.array.watcher.stored(self.name, sector, values)

    def flush(self) -> None:
        """Everything in the cache reaches the medium."""
        self.write_back(len(self.cache.dirty))

    def fail_flush(self) -> None:
        """A flush that cannot be done: what should have been written is lost, and the cache is clean.

        Every connection that is open then is told once, at its next flush; and so is the next one, if none of them could be:
        nobody can make good a loss of which nobody is told (Linux: errseq_t; `flush-error-once.sh` of the hazards).
        """
        self.cache.errors += 1
        self.array.drop(self.cache, "failed flush")

    def write_back(self, most: int) -> int:
        """As the array's own: of the cache behind this controller."""
        return self.array.write_back(self.cache, most)

    def restart(self, keeps_cache: bool) -> None:
        """The server came back: its own cache is as it was (the host's page cache), or empty. A cache of the LUN stays."""
        if self.array.cache == CACHE_PATH and not keeps_cache:
            self.array.drop(self.cache, "restart without its cache")
