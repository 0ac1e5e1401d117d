"""Submission: how bios leave a submitter, in a plug of several or alone.

Linux: blk_start_plug() and blk_finish_plug(); without a plug, __submit_bio() gives each bio, on each level of stacking, one of
its own. Between the bios of a batch that which is done at once is done: a ram disk has carried a bio out before the next one
comes.
"""

from hawser.block.bio import Bio
from hawser.block.device import BlockDevice
from hawser.block.plug import Plug
from hawser.lab.linux.kit import Kit


def submit_alone(device: BlockDevice, bio: Bio) -> None:
    """One bio, without a plug round it."""
    plug = Plug(False)
    device.submit(bio, plug)
    plug.finish()


def submit_batch(kit: Kit, device: BlockDevice, bios: list[Bio]) -> None:
    """Several bios in one plug."""
    plug = Plug()
    for bio in bios:
        device.submit(bio, plug)
        kit.settle()
    plug.finish()
