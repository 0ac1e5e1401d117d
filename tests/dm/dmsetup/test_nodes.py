"""`dmsetup mknodes`, with nodes that come and go."""

from tests.dm.dmsetup.shell import Shell

from hawser.dm.control import Control
from hawser.dm.dmsetup.call import Surroundings
from hawser.dm.dmsetup.program import Answer, dmsetup
from hawser.dm.mapped_device import MappedDevice


class Folder(Surroundings):
    """/dev/mapper, with what it was left with."""

    def __init__(self, control: Control, names: set[str]) -> None:
        super().__init__(control)
        self.names = names

    def add_node(self, device: MappedDevice) -> None:
        self.names.add(device.name)

    def remove_node(self, name: str) -> None:
        self.names.discard(name)

    def node_names(self) -> list[str]:
        return sorted(self.names)


def tidied(shell: Shell, names: set[str], *words: str) -> list[str]:
    folder = Folder(shell.control, names)
    answer = Answer()
    assert list(dmsetup(shell.control, folder, ["mknodes", *words], "", answer)) == []
    assert (answer.rc, answer.stderr) == (0, "")
    return folder.node_names()


def test_each_device_has_its_node_and_what_is_the_node_of_none_goes() -> None:
    shell = Shell()
    shell.say("create", "z", "--table", "0 8 zero")
    assert tidied(shell, {"gone"}) == ["mp", "z"]
    assert tidied(shell, {"gone", "z"}) == ["mp", "z"]


def test_of_one_device_alone() -> None:
    shell = Shell()
    shell.say("create", "z", "--table", "0 8 zero")
    assert tidied(shell, {"gone"}, "z") == ["gone", "z"]
    assert tidied(shell, {"gone", "z"}, "gone") == ["z"]
