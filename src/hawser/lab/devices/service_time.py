"""ServiceTime: how long a server works on a command.

Fault model. Fixed time plus bytes over bandwidth, times a factor that is drawn for each command; no command is endless, and a
healthy server's worst is 20 times its mean. Servers that are slower than that are made so by steps of the plan.
"""

from typing import Final

from hawser.core.rng import Rng
from hawser.core.units import NS_PER_S, SECTOR_SHIFT
from hawser.lab.devices.hardware import Hardware

CONSTANT: Final = "constant"
UNIFORM: Final = "uniform"
EXPONENTIAL: Final = "exponential"
HEAVY: Final = "heavy"
SPREADS: Final = (CONSTANT, UNIFORM, EXPONENTIAL, HEAVY)

EXPONENTIAL_MAX: Final = 10.0
HEAVY_ONE_IN: Final = 50
HEAVY_FACTOR: Final = 20.0


class ServiceTime:
    def __init__(self, hardware: Hardware, name: str, fixed_ns: int, bytes_per_s: int, spread: str) -> None:
        assert spread in SPREADS, spread
        self.hardware = hardware
        self.name = f"{name} service"
        self.fixed_ns = fixed_ns
        self.ns_per_sector = (NS_PER_S << SECTOR_SHIFT) // max(1, bytes_per_s)
        self.spread = spread
        self.is_constant = spread == CONSTANT
        # How many times as long as usual it takes for now.
        self.slowness = 1

    def of(self, number: int, count: int) -> int:
        """Nanoseconds for command `number` of `count` sectors."""
        time_ns = (self.fixed_ns + count * self.ns_per_sector) * self.slowness
        if self.is_constant:
            return time_ns
        return int(time_ns * factor_of(self.spread, self.hardware.dice(self.name, number)))


def factor_of(spread: str, dice: Rng) -> float:
    """How many times its mean a command takes, of a spread that is not CONSTANT."""
    if spread == UNIFORM:
        return 0.5 + dice.uniform()
    if spread == EXPONENTIAL:
        return min(dice.exponential(), EXPONENTIAL_MAX)
    assert spread == HEAVY, spread
    return HEAVY_FACTOR if dice.below(HEAVY_ONE_IN) == 0 else 1.0
