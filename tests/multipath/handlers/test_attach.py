"""Which handler a device gets, and what refuses it."""

import pytest
from tests.multipath.scsi_rig import ScsiRig, Waiter

from hawser.block.partition import Partition
from hawser.core.status import OK
from hawser.dm.table import parse_lines
from hawser.dm.target import TableError
from hawser.multipath.handlers.base import (
    HANDLERS,
    attach,
    attach_by_kind,
    detach,
    find_handler,
    kind_of,
    register_handler,
)
from hawser.scsi.device import DH_DEV_OFFLINED, DH_NOSYS, DH_NOTCONN, DH_OK, GONE, OFFLINE, HardwareHandler


def names(rig: ScsiRig) -> list[str]:
    return [port.handler_name() for port in rig.ports]


@pytest.mark.parametrize(("kind", "sides"), [("alua", (1, 2)), ("rdac", (1, 2)), ("emc", (0, 1)), ("hp_sw", (0, 1))])
def test_an_array_gets_the_handler_of_its_kind(kind: str, sides: tuple[int, ...]):
    rig = ScsiRig(kind, sides)
    for port in rig.ports:
        assert kind_of(port) == kind
        attach_by_kind(port)
    assert names(rig) == [kind] * 2
    port = rig.ports[0]
    detach(port)
    assert names(rig) == ["", kind]
    assert attach(port, kind) == ""


def test_a_plain_disk_gets_none():
    rig = ScsiRig("hp_sw", (0,))
    rig.array.vendor = "HP"
    assert kind_of(rig.ports[0]) == ""
    attach_by_kind(rig.ports[0])
    assert names(rig) == [""]


def test_names_are_compared_as_far_as_a_handlers_goes():
    assert [find_handler(word) for word in ("alua", "alua2", "alu", "emc\n", "")] == ["alua", "alua", "", "emc", ""]


@pytest.mark.parametrize(
    ("kind", "handler", "errno"),
    [
        ("alua", "nosuch", "EINVAL"),
        ("alua", "emc", "ENODEV"),
        ("alua", "rdac", "EINVAL"),
        ("alua", "hp_sw", ""),
        ("hp_sw", "alua", "ENODEV"),
        ("emc", "emc", ""),
        ("rdac", "rdac", ""),
    ],
)
def test_a_device_of_another_kind(kind: str, handler: str, errno: str):
    rig = ScsiRig(kind, (1,))
    assert attach(rig.ports[0], handler) == errno
    assert names(rig) == ["" if errno else handler]


def test_an_attached_handler_stays():
    rig = ScsiRig()
    port = rig.ports[0]
    assert attach(port, "alua") == ""
    handler = port.handler
    assert (attach(port, "alua"), attach(port, "emc"), attach(port, "nosuch")) == ("", "EBUSY", "EINVAL")
    assert port.handler is handler


def test_activating_what_cannot_be():
    rig = ScsiRig()
    waiter, port = Waiter(), rig.ports[0]
    port.activate(waiter)
    attach(port, "alua")
    for state in (GONE, OFFLINE):
        port.state = state
        port.activate(waiter)
    assert waiter.results == [], "nobody is told at once"
    rig.world.run()
    assert waiter.results == [DH_NOSYS, DH_NOTCONN, DH_DEV_OFFLINED]


# By a table.


def refusal(rig: ScsiRig, *args, **options) -> str:
    with pytest.raises(TableError) as caught:
        rig.map(*args, **options)
    return str(caught.value)


@pytest.mark.parametrize(("handler", "errno"), [("nosuch", "EINVAL"), ("emc", "ENODEV"), ("rdac", "EINVAL")])
def test_a_table_with_a_handler_that_the_paths_cannot_have(handler: str, errno: str):
    rig = ScsiRig()
    assert f"error attaching hardware handler (-{errno})" in refusal(rig, handler)
    assert names(rig) == [""] * 4


@pytest.mark.parametrize("handler", ["alua", "hp_sw", "nosuch"])
def test_paths_that_are_no_scsi_devices(handler: str):
    rig = ScsiRig()
    rig.paths[1].device.scsi = None
    assert f"error attaching hardware handler (-{'EINVAL' if handler == 'nosuch' else 'ENODEV'})" in refusal(
        rig, handler
    )


def test_bio_based_a_handler_that_is_attached_is_kept_and_another_disk_beside_it_refused():
    rig = ScsiRig()
    rig.paths[3].device.scsi = None
    for port in rig.ports[:3]:
        attach(port, "alua")
    assert "error attaching hardware handler (-ENODEV)" in refusal(rig, "", mode="bio")


@pytest.mark.parametrize(
    ("features", "handler", "attached", "printed"),
    [
        ("", "", "", "0"),
        ("", "alua", "", "1 alua"),
        ("", "", "alua", "0"),
        ("", "alua", "alua", "1 alua"),
        ("", "alua2", "", "1 alua2"),
        ("", "hp_sw", "alua", "1 alua"),
        ("", "hp_sw 1", "alua", "1 alua"),
        ("", "alua 1", "", "1 alua"),
        ("retain_attached_hw_handler", "", "alua", "1 alua"),
        ("retain_attached_hw_handler", "hp_sw", "alua", "1 alua"),
        ("retain_attached_hw_handler", "emc 1 1", "alua", "1 alua"),
        ("retain_attached_hw_handler", "nosuch", "alua", "1 alua"),
        ("retain_attached_hw_handler", "hp_sw", "", "1 hp_sw"),
        ("retain_attached_hw_handler", "", "", "0"),
    ],
)
def test_retaining(features: str, handler: str, attached: str, printed: str):
    """What the table says, what was attached, and what the table prints from then on."""
    rig = ScsiRig()
    if attached:
        for port in rig.ports:
            attach(port, attached)
    words = rig.map(handler, features).device.table.targets[0].status_table()
    rest = words.split(features)[1] if features else words.removeprefix("0 ")
    assert rest.strip().startswith(f"{printed} 2 1 round-robin")
    if printed != "0":
        assert names(rig) == [attached or find_handler(handler.split()[0])] * 4


def test_a_handler_that_is_kept_is_logged_once_where_it_was_not_asked_for():
    rig = ScsiRig()
    for port in rig.ports:
        attach(port, "alua")
    rig.map("hp_sw")
    said = [text for _, text in rig.world.log.lines if "retaining" in text]
    assert said == ["multipath: retaining handler on device p0"]


@pytest.mark.parametrize(
    ("kind", "handler", "errno"),
    [
        ("alua", "alua 2", "EINVAL"),
        ("alua", "alua x", "EINVAL"),
        ("alua", "alua -1", "EINVAL"),
        ("alua", "alua +1", "EINVAL"),
        ("alua", "alua 1 1", "EINVAL"),
        ("hp_sw", "hp_sw 1", "EBUSY"),
        ("rdac", "rdac 1", "EBUSY"),
        ("emc", "emc 1", "EINVAL"),
        ("emc", "emc 1 2", "EINVAL"),
        ("emc", "emc 1 1 1", "EINVAL"),
    ],
)
def test_wrong_arguments(kind: str, handler: str, errno: str):
    rig = ScsiRig(kind, (1, 1))
    assert f"unable to set hardware handler parameters (-{errno})" in refusal(rig, handler)


def test_arguments_as_sscanf_reads_them():
    rig = ScsiRig()
    rig.map("alua 1x")
    assert rig.ports[0].handler.group.optimize_set


def test_a_partition_has_its_disks_handler():
    rig = ScsiRig("alua", (1,))
    attach(rig.ports[0], "alua")
    part = Partition("p0p1", "259:9", rig.paths[0].device, 8, 1024)
    rig.world.registry.add(part)
    device = rig.world.mapped("part", "0 1024 multipath 2 queue_mode bio 0 1 1 round-robin 0 1 0 259:9")
    assert device.table.targets[0].status_table().startswith("3 retain_attached_hw_handler queue_mode bio 1 alua 1 1")


def test_a_refused_table_changes_nothing():
    rig = ScsiRig()
    mapped = rig.map("alua")
    before = mapped.device.table
    with pytest.raises(TableError):
        mapped.device.load(parse_lines(rig.line("nosuch")), rig.world.registry)
    assert mapped.device.table is before
    read = mapped.client.read(0, 512)
    rig.world.run()
    assert (read.status, mapped.letters()) == (OK, "AAAA")


class OwnHandler(HardwareHandler):
    """As somebody else would write one: it knows its device, and nothing of its name."""

    def attach(self) -> int:
        return DH_OK


if "own" not in HANDLERS:
    register_handler("own", OwnHandler)


def test_a_handler_of_somebody_elses_is_known_by_what_it_is_registered_as():
    rig = ScsiRig()
    mapped = rig.map("own")
    assert names(rig) == ["own"] * 4
    read = mapped.client.read(0, 512)
    rig.world.run()
    assert (read.status, mapped.letters()) == (OK, "AAAA")
    mapped.device.load(parse_lines(rig.line("own")), rig.world.registry)
    assert "unable to set hardware handler parameters (-EBUSY)" in refusal(ScsiRig(), "own 1")
