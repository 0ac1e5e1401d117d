"""What an I/O costs in each mode, counted (S2-3). How long it takes is for `make bench` to say."""

import gc
import sys
from collections import Counter

from hawser.block.bio import Bio
from hawser.block.ops import READ
from hawser.dm.mapped_device import MappedDevice
from hawser.lab.world import Answer, World, make_multipath

COUNT = 100


def made(mode: str) -> tuple[Counter[str], int]:
    """What exists, by type, and how many blocks of memory are in use, because of so many I/Os that are on their way."""
    rig = make_multipath(World(), paths=4, mode=mode, depth=2 * COUNT)
    for path in rig.paths:
        path.driver.default = Answer(silent=True)
    bios = [Bio(READ, 16 * number, 4096, rig.client) for number in range(COUNT)]
    assert isinstance(rig.device, MappedDevice)
    gc.collect()
    gc.disable()
    before = Counter(type(item).__name__ for item in gc.get_objects())
    blocks = sys.getallocatedblocks()
    for bio in bios:
        rig.client.submit([bio])
    blocks = sys.getallocatedblocks() - blocks
    after = Counter(type(item).__name__ for item in gc.get_objects())
    gc.enable()
    assert sum(len(path.driver.outstanding()) for path in rig.paths) == COUNT
    return after - before, blocks


def test_bio_based_an_io_is_a_clone_and_the_paths_request_and_request_based_two_requests():
    """Nothing that merges could use is made bio by bio: no request of the map's own, no tag of its, no place in its elevator."""
    by_bio, few = made("bio")
    by_request, many = made("rq")
    kinds = ("CloneBio", "Request", "Node", "SplitBio", "Copies")
    assert [by_bio[kind] for kind in kinds] == [COUNT, COUNT, 0, 0, 0]
    assert [by_request[kind] for kind in kinds] == [0, 2 * COUNT, COUNT, 0, 0]
    assert few < many


def test_a_bio_based_map_has_no_queue_of_its_own():
    for mode, tags in (("rq", 2048), ("bio", 0)):
        queue = make_multipath(World(), mode=mode).device.queue
        assert (queue.depth if queue is not None else 0) == tags
