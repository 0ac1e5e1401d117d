"""The story of the demonstration: which path fails when, how, and when it comes back. Scaled to the time there is."""

from dataclasses import dataclass
from typing import Final

# What is done to a path: its cable is pulled and put back, or an operator's message takes it out of use and back into it.
PULL: Final = "pull"
PLUG: Final = "plug"
FAIL: Final = "fail_path"
REINSTATE: Final = "reinstate_path"

UNDOES: Final = {PLUG: PULL, REINSTATE: FAIL}
PATHS: Final = 4


@dataclass(frozen=True, slots=True)
class Scene:
    """At `at_s` seconds `action` happens to the paths with these indices."""

    at_s: float
    action: str
    paths: tuple[int, ...]

    def text(self, devts: list[str]) -> str:
        """What the audience is told; `devts` are the paths' device numbers."""
        names = [devts[index] for index in self.paths]
        if self.action in (FAIL, REINSTATE):
            return "; ".join(f"message mpatha 0 {self.action} {name}" for name in names)
        verb = "pulled" if self.action == PULL else "plugged in again"
        if len(names) == PATHS:
            return f"all {PATHS} paths {verb}" + (": I/O waits, nothing fails" if self.action == PULL else "")
        return f"{' and '.join(names)} {verb}"


# At which hundredth of the time.
_PLOT: Final = (
    (8, PULL, (0,)),
    (16, PLUG, (0,)),
    (20, PULL, (2,)),
    (27, PLUG, (2,)),
    (30, FAIL, (1,)),
    (37, REINSTATE, (1,)),
    (41, PULL, (1, 3)),
    (49, PLUG, (1, 3)),
    (54, PULL, (0, 1, 2, 3)),
    (64, PLUG, (2,)),
    (68, PLUG, (0, 3)),
    (71, PLUG, (1,)),
    (76, PULL, (0,)),
    (79, PULL, (2,)),
    (82, FAIL, (3,)),
    (87, REINSTATE, (3,)),
    (89, PLUG, (0, 2)),
)


def tell(seconds: float) -> list[Scene]:
    """The scenes of a run of that many seconds, in order."""
    return [Scene(hundredth * seconds / 100, action, paths) for hundredth, action, paths in _PLOT]
