"""Record: what is known of one path device that may be marginal; and how paths are compared by trial reads alone.

A path that is alone in its group, or to which its selector sends all that there is, has no like to be compared with: the others
carry no I/O. So, when its I/O takes long (`is_worth_a_look`), small reads are sent through it and through the others, of all
groups, and these are compared.
"""

from typing import Final

from hawser.block.ops import FLUSH
from hawser.core.clock import NEVER
from hawser.core.units import KIB
from hawser.manager.latency import (
    KINDS,
    READS,
    UNKNOWN_NS,
    Meter,
    Slowness,
    bound_ns,
    is_check,
    lower_median_ns,
)
from hawser.multipath.disk import PathDevice

# A small read that stands behind clients' commands waits for them, and longer for large ones: so many bytes of data count as much
# as a command does. A path is not slow because much is asked of it.
COMMAND_BYTES: Final = 64 * KIB


class Record:
    """`reason` is empty unless the path is demoted. `strikes`: how often it was demoted lately. `trial_ns` is what the last read
    took, which was answered at `tried_ns`; while one is on its way (`is_tried`) it was sent at `asked_ns`. `turns`: how many
    turns it takes until it is done: its own, and those of the commands before it, weighed by their size."""

    def __init__(self, device: PathDevice) -> None:
        self.device = device
        self.meter = Meter(device)
        self.reason = ""
        # How many I/Os of the map had ended there at the last look.
        self.ios = 0
        self.strikes = 0
        self.suspected_ns = NEVER
        self.last_evidence_ns = NEVER
        self.samples = 0
        self.failed_ns = NEVER
        self.is_flaky = False
        self.held_until_ns = 0
        self.promoted_ns = NEVER
        self.quick_trials = 0
        self.is_tried = False
        self.asked_ns = NEVER
        self.tried_ns = NEVER
        self.trial_ns = UNKNOWN_NS
        self.turns = 1

    def look(self, now_ns: int, ios: int) -> None:
        """Take the figures of the device. `ios`: how many I/Os of the map have ended there by now."""
        self.meter.look(now_ns, ios != self.ios)
        self.ios = ios

    def is_busy(self) -> bool:
        """Whether clients' I/O goes there: some has ended since the last look, or is on its way."""
        return self.meter.is_used or any(not is_check(request) for request in self.device.outstanding())

    def clear(self) -> None:
        """Nothing speaks against it."""
        self.suspected_ns = NEVER
        self.samples = 0

    def add_evidence(self, samples: int, now_ns: int, tick_ns: int) -> int:
        """Something does, once more. For how long by now: it was so during the tick that ends now."""
        if self.suspected_ns == NEVER:
            self.suspected_ns = now_ns - tick_ns
        self.samples += samples
        self.last_evidence_ns = now_ns
        return now_ns - self.suspected_ns

    def asked(self, now_ns: int) -> None:
        """A trial read goes out."""
        self.is_tried = True
        self.asked_ns = now_ns
        self.turns = 1 + sum(1 + request.size // COMMAND_BYTES for request in self.device.outstanding())

    def answered(self, took_ns: int, now_ns: int) -> None:
        """It has come back, well or not (UNKNOWN_NS)."""
        self.is_tried = False
        self.tried_ns = now_ns
        self.trial_ns = took_ns

    def trial(self, now_ns: int, since_ns: int) -> int:
        """What a read takes at present, by one that was answered since then or has waited longer by now; or UNKNOWN_NS."""
        known_ns = self.trial_ns if self.tried_ns >= since_ns else UNKNOWN_NS
        return max(known_ns, now_ns - self.asked_ns) if self.is_tried else known_ns


def is_worth_a_look(meter: Meter, floor_ns: int, now_ns: int) -> bool:
    """Whether a client's I/O takes, or has waited, for so long that it would matter if others were quicker: reads that were sent
    to find out are no reason to send more."""
    if meter.is_used and meter.has_ended():
        return any(meter.ended[kind] and meter.means_ns[kind] > floor_ns for kind in range(len(KINDS)))
    for request in meter.device.outstanding():
        if request.op != FLUSH and now_ns - request.start_ns > floor_ns and not is_check(request):
            return True
    return False


def find_slow_trial(
    record: Record, others: list[Record], factor: int, floor_ns: int, now_ns: int, since_ns: int
) -> Slowness | None:
    """Why a path is an outlier by trial reads, or None when it is not, or nothing tells. Of the others only answers count."""
    own_ns = record.trial(now_ns, since_ns)
    others_ns = lower_median_ns([other.trial_ns for other in others if other.tried_ns >= since_ns])
    if own_ns == UNKNOWN_NS or others_ns == UNKNOWN_NS:
        return None
    if own_ns <= record.turns * bound_ns(others_ns, factor, floor_ns):
        return None
    return Slowness(READS, own_ns, others_ns, 1, record.is_tried)
