"""A map under a manager that looks for marginal paths, with a steady load."""

from tests.manager.looked_after import Care

from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.lab.world import Answer, World, make_multipath
from hawser.manager.marginal import MarginalPaths
from hawser.manager.policy import MarginalPolicy, Policy
from hawser.multipath.path import Path

POLICY = MarginalPolicy()
STEP_NS = 20 * NS_PER_MS
US = 1000


class Scene(Care):
    """`delays_ns`: what a read or write takes on each path."""

    def __init__(self, delays_ns: list[int], marginal: MarginalPolicy = POLICY, keepalive_ns: int = 0, **options):
        paths = len(delays_ns) // options.get("groups", 1)
        rig = make_multipath(World(), paths=paths, **options)
        super().__init__(rig, Policy(None, marginal=marginal, keepalive_ns=keepalive_ns), [])
        self.manager.follow(rig.device)
        for number, delay_ns in enumerate(delays_ns):
            self.delay(number, delay_ns)

    @property
    def marginal(self) -> MarginalPaths:
        assert self.manager._marginal is not None
        return self.manager._marginal

    def delay(self, number: int, delay_ns: int, status: int = 0) -> None:
        self.paths[number].driver.default = Answer(status, delay_ns=delay_ns)

    def silence(self, number: int) -> None:
        self.paths[number].driver.default = Answer(silent=True)

    def path(self, number: int) -> Path:
        return self.manager.target.state.paths[number]

    def demoted(self) -> str:
        """`-D`: the second one is."""
        return "".join("D" if path.is_demoted else "-" for path in self.manager.target.state.paths)

    def load(self, seconds: float, together: int = 4, write: bool = False) -> None:
        """So many I/Os each STEP_NS, whether those before have ended or not."""
        for _ in range(round(seconds * NS_PER_S / STEP_NS)):
            for number in range(together):
                if write:
                    self.client.write(number * 16, bytes(512))
                else:
                    self.client.read(number * 16, 512)
            self.world.pass_time(STEP_NS)

    def rest(self, seconds: float) -> None:
        self.world.pass_time(round(seconds * NS_PER_S))

    def break_off(self, number: int) -> None:
        """It fails, and the next check finds it up."""
        self.session_lost(number, "cut")
        self.world.pass_time(150 * NS_PER_MS)
        assert self.path(number).is_active

    def said(self, text: str) -> list[str]:
        return [line for line in self.lines() if text in line]


__all__ = ["POLICY", "STEP_NS", "US", "Scene"]
