"""What an operator decides about a map's paths: multipathd's words, with multipathd's meanings.

`queue_timeout_ns`: how long I/O waits when no path is left (multipath.conf: no_path_retry, in time instead of
checks). None: for ever; 0: not at all.
"""

from dataclasses import dataclass
from typing import Final

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.multipath.hedge import SHARE_MAX

POLLING_NS: Final = NS_PER_S
FIRST_CHECK_NS: Final = 100 * NS_PER_MS
# multipath.conf: polling_interval, of paths that are up.
KEEPALIVE_NS: Final = 5 * NS_PER_S


@dataclass(frozen=True)
class MarginalPolicy:
    """When a path is used last though it works (hawser.manager.marginal).

    `factor`: it is slow when it takes so many times as long as the others of its group (0: nobody looks), and `floor_ns` at
    least, for `after_ns` and `samples` I/Os. `double_failed_ns`: so close together may two failures be (multipath.conf:
    marginal_path_double_failed_time; 0: nobody looks). `tick_ns`: how often all of this is looked at.

    `hold_ns` is the least time until it comes back (san_path_err_recovery_time), twice as long each time that it is demoted again
    within `forget_ns` of that, up to `hold_max_ns`.
    """

    factor: int = 10
    after_ns: int = 2 * NS_PER_S
    floor_ns: int = 2 * NS_PER_MS
    samples: int = 5
    double_failed_ns: int = 60 * NS_PER_S
    tick_ns: int = 500 * NS_PER_MS
    hold_ns: int = 5 * NS_PER_S
    hold_max_ns: int = 300 * NS_PER_S
    forget_ns: int = 600 * NS_PER_S


@dataclass(frozen=True)
class HedgePolicy:
    """When a second path is asked for a read (hawser.multipath.hedge): after `after_ns`; for `percent` of them at most."""

    after_ns: int
    percent: int = SHARE_MAX


@dataclass(frozen=True)
class Policy:
    """`marginal` None: no path is ever demoted. `keepalive_ns` 0: paths that are up are not checked. `hedge` None: each read goes
    one way at a time."""

    queue_timeout_ns: int | None = 60 * NS_PER_S
    polling_ns: int = POLLING_NS
    marginal: MarginalPolicy | None = None
    keepalive_ns: int = 0
    hedge: HedgePolicy | None = None

    def queues(self) -> bool:
        """Whether the table has queue_if_no_path."""
        return self.queue_timeout_ns is None or self.queue_timeout_ns > 0
