"""FenceAgent: somebody who can make sure that nothing which was sent over a path takes effect any more.

Clusters know such programs: they cut off a node's power, its switch port or its reservation (fence-agents; DESIGN, Hard problems
1). Its success is a proof like any other. It speaks of the writes alone: what the server had cached and not flushed counts as
lost.
"""

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class FenceCall:
    """One question to the agent, and who wants to know the answer."""

    def fenced(self) -> None:
        """It has succeeded. Called in a turn, at most once, and not after `withdraw`."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class FenceAgent:
    def ask(self, path: str, reason: str, call: FenceCall) -> None:
        """Have whatever is behind `path` cut off. `reason`: why, in words. Returns at once."""
        raise NotImplementedError

    def withdraw(self, call: FenceCall) -> None:
        """Another proof has come, or the path is closed: nobody wants to know any more. What runs is left to run."""
        raise NotImplementedError
