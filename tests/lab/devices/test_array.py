"""The array: what its caches keep, lose and hide."""

from hawser.lab.devices.array import CACHE_LUN, CACHE_NONE, CACHE_PATH, Array, ArrayWatcher


class Watcher(ArrayWatcher):
    def __init__(self) -> None:
        self.losses: list[tuple[str, int, int, str]] = []

    def lost(self, controller: str, sector: int, value: int, cause: str) -> None:
        self.losses.append((controller, sector, value, cause))


def test_one_cache_of_the_lun_is_seen_by_every_controller() -> None:
    array = Array(8, 2)
    array.controllers[0].write(2, [7, 8], fua=False)
    assert array.controllers[1].read(1, 4) == [0, 7, 8, 0]
    assert array.medium[2] == 0
    array.controllers[1].flush()
    assert array.medium[2:4] == [7, 8]


def test_caches_of_their_own_know_nothing_of_each_other() -> None:
    array = Array(8, 2, CACHE_PATH, caches_reads=True)
    first, second = array.controllers
    assert second.read(0, 1) == [0]
    first.write(0, [5], fua=False)
    first.flush()
    assert second.read(0, 1) == [0], "a stale read"
    second.write(0, [6], fua=True)
    assert first.read(0, 1) == [5], "stale on the other side, too"


def test_old_data_is_written_back_over_new() -> None:
    array = Array(8, 2, CACHE_PATH)
    first, second = array.controllers
    first.write(0, [5], fua=False)
    second.write(0, [6], fua=True)
    assert array.medium[0] == 6
    assert first.write_back(10) == 1
    assert array.medium[0] == 5


def test_power_loss_takes_what_was_not_flushed() -> None:
    watcher = Watcher()
    array = Array(8, 1, CACHE_LUN, watcher=watcher)
    array.controllers[0].write(0, [5], fua=False)
    array.controllers[0].write(1, [6], fua=True)
    array.lose_power()
    assert array.controllers[0].read(0, 2) == [0, 6]
    assert watcher.losses == [("array", 0, 5, "power loss")]


def test_a_cache_with_a_battery_survives() -> None:
    array = Array(8, 1, volatile=False)
    array.controllers[0].write(0, [5], fua=False)
    array.lose_power()
    assert array.controllers[0].read(0, 1) == [5]
    array.controllers[0].fail_flush()
    assert array.controllers[0].read(0, 1) == [5], "what was there after a power loss is stored"


def test_written_through() -> None:
    array = Array(8, 1, CACHE_NONE)
    array.controllers[0].write(0, [5], fua=False)
    assert array.medium[0] == 5


def test_a_failed_flush_loses_its_writes_and_leaves_the_cache_clean() -> None:
    watcher = Watcher()
    array = Array(8, 1, watcher=watcher)
    array.controllers[0].write(0, [5], fua=False)
    array.controllers[0].fail_flush()
    assert array.controllers[0].read(0, 1) == [0]
    assert not array.controllers[0].cache.is_dirty()
    assert watcher.losses == [("array", 0, 5, "failed flush")]


def test_a_restart_keeps_a_cache_or_does_not() -> None:
    array = Array(8, 1, CACHE_PATH)
    controller = array.controllers[0]
    controller.write(0, [5], fua=False)
    controller.restart(keeps_cache=True)
    assert controller.read(0, 1) == [5]
    controller.restart(keeps_cache=False)
    assert controller.read(0, 1) == [0]


def test_read_modify_write_undoes_a_neighbour() -> None:
    array = Array(8, 2, unit_sectors=4)
    first, second = array.controllers
    picture = first.begin(0, 1)
    assert picture == [0, 0, 0, 0]
    second.write(1, [9], fua=False, picture=second.begin(1, 1))
    assert array.controllers[0].read(0, 4) == [0, 9, 0, 0]
    first.write(0, [5], fua=False, picture=picture)
    assert array.controllers[0].read(0, 4) == [5, 0, 0, 0]


def test_whole_units_need_no_picture() -> None:
    array = Array(10, 1, unit_sectors=4)
    assert array.controllers[0].begin(4, 4) is None
    assert array.controllers[0].begin(8, 1) == [0, 0], "the last unit is cut by the end of the disk"
