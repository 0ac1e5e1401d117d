"""`dmsetup mknodes`, with nodes that come and go."""

from tests.dm.dmsetup.shell import Shell

from hawser.dm.control import Control
from hawser.dm.dmsetup.call import Surroundings
from hawser.dm.mapped_device import MappedDevice


class Folder(Surroundings):
    """/dev/mapper, with the nodes `names`."""

    def __init__(self, control: Control, names: set[str]) -> None:
        super().__init__(control)
        self.names = names

    def add_node(self, device: MappedDevice) -> None:
        self.names.add(device.name)

    def remove_node(self, name: str) -> None:
        self.names.discard(name)

    def node_names(self) -> list[str]:
        return sorted(self.names)


class Nodes(Shell):
    """With a second device, `z`."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        super().__init__()
        self.say("create", "z", "--table", "0 8 zero")

    def surroundings(self) -> Surroundings:
        return Folder(self.control, self.names)

    def tidied(self, names: set[str], *words: str) -> list[str]:
        self.names = names
        assert self.say("mknodes", *words) == (0, "", "")
        return sorted(self.names)


def test_each_device_has_its_node_and_what_is_the_node_of_none_goes() -> None:
    shell = Nodes()
    assert shell.tidied({"gone"}) == ["mp", "z"]
    assert shell.tidied({"gone", "z"}) == ["mp", "z"]


def test_of_one_device_alone() -> None:
    shell = Nodes()
    assert shell.tidied({"gone"}, "z") == ["gone", "z"]
    assert shell.tidied({"gone", "z"}, "gone") == ["z"]
