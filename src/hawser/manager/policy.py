"""What an operator decides about a map's paths: multipathd's words, with multipathd's meanings.

`queue_timeout_ns`: how long I/O waits when no path is left (multipath.conf: no_path_retry, in time instead of
checks). None: for ever; 0: not at all.
"""

from dataclasses import dataclass
from typing import Final

from hawser.core.units import NS_PER_MS, NS_PER_S

POLLING_NS: Final = NS_PER_S
FIRST_CHECK_NS: Final = 100 * NS_PER_MS


@dataclass(frozen=True)
class Policy:
    queue_timeout_ns: int | None = 60 * NS_PER_S
    polling_ns: int = POLLING_NS

    def queues(self) -> bool:
        """Whether the table has queue_if_no_path."""
        return self.queue_timeout_ns is None or self.queue_timeout_ns > 0
