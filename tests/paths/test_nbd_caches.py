"""Caches of their own that ended sessions of an NBD path leave behind."""

from tests.support.fake_nbd import Conversation
from tests.support.nbd_bench import DATA, Make, NbdBench

from hawser.core.status import OK
from hawser.core.units import NS_PER_S
from hawser.paths.nbd import RECONNECT_MAX_NS


def write_ok(bench: NbdBench, server: Conversation) -> None:
    """As the map above does it: the write is counted when it is acknowledged."""
    bio = bench.write(0, DATA)
    server.answer(server.take()[0])
    assert bio.status == OK
    bench.device.written += 1


def test_a_session_that_ends_with_unflushed_writes_leaves_doubt_and_a_fence(make: Make):
    bench = make("cache=path")
    server = bench.connect()
    write_ok(bench, server)
    server.close()
    assert bench.disk.doubt == 1
    assert bench.device.left_behind is not None
    assert len(bench.driver.aftermaths) == 1


def test_a_session_that_ends_clean_leaves_nothing(make: Make):
    bench = make("cache=path")
    server = bench.connect()
    write_ok(bench, server)
    bench.device.cache_flushed(bench.device.written)
    server.close()
    assert (bench.disk.doubt, bench.device.left_behind, bench.driver.aftermaths) == (0, None, [])


def test_tries_that_come_to_nothing_say_nothing_about_the_cache_that_was_left(make: Make):
    """Each is a connection of its own. What it ends with proves nothing about another one's server, and is not kept."""
    bench = make("cache=path", tcp=True)
    server = bench.connect()
    bench.reactor.until(lambda: bench.ear.heard)
    write_ok(bench, server)
    bench.server.sock.close()
    server.close()
    bench.reactor.until(lambda: bench.device.left_behind is not None)
    for _ in range(20):
        bench.reactor.pass_time(RECONNECT_MAX_NS)
        bench.reactor.until(lambda: bench.timers.next_deadline_ns() != -1)
    assert len(bench.driver.aftermaths) == 1
    assert sum("nothing can prove" in line for line in bench.lines()) == 1
    assert bench.device.left_behind is not None


def test_a_quiesce_time_is_up_for_the_session_that_it_was_about_and_no_later_one(make: Make):
    """The cache was flushed through the next session, which then has writes of its own: they are not lost."""
    bench = make("cache=path&quiesce=30")
    server = bench.connect()
    write_ok(bench, server)
    server.close()
    server = bench.reconnect()
    bench.device.cache_flushed(bench.device.written)
    write_ok(bench, server)
    bench.reactor.pass_time(31 * NS_PER_S)
    assert bench.disk.doubt == 1, "that of the first session"
    assert bench.device.is_dirty(), "the second one's is still to be flushed"


def test_a_quiesce_time_lifts_the_fence_of_a_cache(make: Make):
    bench = make("cache=path&quiesce=30")
    server = bench.connect()
    write_ok(bench, server)
    bench.server.sock.close()
    server.close()
    bench.reactor.pass_time(30 * NS_PER_S)
    assert bench.device.left_behind is None
    assert bench.disk.fences.unproven == 1
    assert bench.disk.doubt == 1
