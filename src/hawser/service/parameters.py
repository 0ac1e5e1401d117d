"""The `parameters` verb of the control socket: what is set for the whole process rather than in a table, shown or set.

Linux: /sys/module/*/parameters (hawser.dm.parameters has the names).
"""

from hawser.dm.parameters import NAMES, ParameterError, Parameters
from hawser.service.chosen import Chosen
from hawser.service.control_error import ControlVerbError


def parameters(chosen: Chosen, args: list[str]) -> str:
    """`parameters [NAME=VALUE...]`, of the whole process: sets all or none of them, and says what they are then."""
    own = chosen.common.registry.parameters
    trial = Parameters()
    try:
        for text in args:
            trial.assign(text)
        for text in args:
            own.assign(text)
    except ParameterError as error:
        raise ControlVerbError(str(error)) from None
    return "".join(f"{name}={own.get(name)}\n" for name in NAMES)
