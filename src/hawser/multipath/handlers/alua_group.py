"""PortGroup: a target port group of a logical unit, as all devices in it know it, and the work that asks for and sets its state.

One round at a time:

    asked     -> REPORT TARGET PORT GROUPS, 5 ms later (after a TEST UNIT READY when the last thing known was a transition)
    reported  -> a transition: again after 2 s, for as long as the array says that one takes (60 s if it does not)
                 an activation waits and the array is told explicitly: SET TARGET PORT GROUPS, and report once more
                 else: everybody who waits is told

A report of one group brings the states of all groups of the unit. Linux: alua_rtpg_work(), alua_rtpg() and alua_stpg() in
drivers/scsi/device_handler/scsi_dh_alua.c.
"""

from typing import Final

from hawser.core.clock import Timer
from hawser.core.units import NS_PER_MS, NS_PER_S
from hawser.scsi.commands import (
    GOOD,
    MAINTENANCE_IN,
    NO_CONNECT,
    NOT_TAKEN,
    TEST_UNIT_READY,
    Command,
    Result,
    report_target_port_groups,
    set_target_port_groups,
    test_unit_ready,
)
from hawser.scsi.device import (
    DH_DEV_OFFLINED,
    DH_DEV_TEMP_BUSY,
    DH_IMM_RETRY,
    DH_IO,
    DH_NOSYS,
    DH_OK,
    DH_RES_TEMP_UNAVAIL,
    DH_RETRY,
    ActivationOwner,
    CommandOwner,
    HandlerCommons,
    ScsiDevice,
)
from hawser.scsi.port_groups import (
    EXPLICIT,
    IMPLICIT,
    NON_OPTIMIZED,
    OFFLINE,
    OPTIMIZED,
    STANDBY,
    STATE_LETTERS,
    SUPPORTS_ALL,
    SUPPORTS_OPTIMIZED,
    TRANSITIONING,
    UNAVAILABLE,
    Report,
    decode_report,
    encode_set,
    support_letters,
)
from hawser.scsi.sense import ILLEGAL_REQUEST, NOT_READY, UNIT_ATTENTION, Sense

REPORT_BYTES: Final = 128
# Unlike the kernel, which makes its buffer as large as the array says.
REPORT_BYTES_MAX: Final = 64 * 1024
TRANSITION_S: Final = 60
ASK_DELAY_NS: Final = 5 * NS_PER_MS
RETRY_S: Final = 2


class _Due(Timer):
    def __init__(self, group: "PortGroup") -> None:
        super().__init__()
        self.group = group

    def expire(self) -> None:
        self.group.work()


class PortGroup(CommandOwner):
    """`members`: the devices in it. `valid_states`: which ones the array says it can be in."""

    def __init__(self, groups: "PortGroups", unit: str, group_id: int, tpgs: int, device: ScsiDevice) -> None:
        self.groups = groups
        self.unit = unit
        self.group_id = group_id
        self.tpgs = tpgs
        self.timers = device.timers
        self.members: list[ScsiDevice] = []
        self.state = OPTIMIZED
        self.is_preferred = False
        self.valid_states = SUPPORTS_ALL
        self.optimize_set = False
        self.transition_s = 0
        self._has_no_extended_header = False
        # When a transition has taken too long; 0: none is known of.
        self._expiry_ns = 0
        self._interval_s = 0
        self._wants_report = False
        self._wants_set = False
        self._is_running = False
        # Who asks for the group; None while nobody does.
        self._device: ScsiDevice | None = None
        # Members that could not be reached in this round.
        self._unreachable: list[ScsiDevice] = []
        self._waiting: list[ActivationOwner] = []
        self._due = _Due(self)
        self._report_bytes = REPORT_BYTES
        self._before = ""

    def ask(self, device: ScsiDevice, owner: ActivationOwner | None, force: bool, activates: bool = False) -> None:
        """Have the state asked for by way of `device`, unless that is about to happen; `force`: even then if it has begun.
        `activates`: set it, too, and tell `owner` when all is done. Linux: alua_rtpg_queue()."""
        if activates:
            if owner is not None:
                self._waiting.append(owner)
            self._wants_set = True
            force = True
        if self._device is None:
            self._interval_s = 0
            self._wants_report = True
            self._device = device
            self._schedule(ASK_DELAY_NS)
        elif not self._wants_report and force:
            self._wants_report = True
            if not self._is_running:
                self._schedule(ASK_DELAY_NS)

    def _schedule(self, delay_ns: int) -> None:
        if not self._due.is_armed():
            self.timers.arm(self._due, delay_ns)

    def work(self) -> None:
        """The next step of a round. Linux: alua_rtpg_work()."""
        device = self._device
        if device is None:
            return
        self._is_running = True
        if self._wants_report:
            self._wants_report = False
            if self.state == TRANSITIONING:
                device.execute(test_unit_ready(), self)
            else:
                self._report(device)
        else:
            self._reported(DH_OK)

    def command_done(self, command: Command, result: Result) -> None:
        device = self._device
        assert device is not None, "an answer to nobody's question"
        if command.opcode() == TEST_UNIT_READY:
            # Unlike the kernel, which goes on for as long as it hears of a transition here.
            is_late = self._now_ns() >= self._expiry_ns > 0
            if result.sense is not None and _is_transition(result.sense) and not is_late:
                self._interval_s = self._interval_s or RETRY_S
                self._again(DH_RETRY)
            else:
                self._report(device)
        elif command.opcode() == MAINTENANCE_IN:
            self._judge_report(device, result)
        else:
            self._judge_set(device, result)

    # Asking.

    def _report(self, device: ScsiDevice) -> None:
        if not self._expiry_ns:
            self._expiry_ns = self._now_ns() + (self.transition_s or TRANSITION_S) * NS_PER_S
        self._before = self._words()
        self._report_bytes = REPORT_BYTES
        self._send_report(device)

    def _send_report(self, device: ScsiDevice) -> None:
        device.execute(report_target_port_groups(self._report_bytes, not self._has_no_extended_header), self)

    def _judge_report(self, device: ScsiDevice, result: Result) -> None:
        if result.outcome != GOOD:
            self._refused(device, result)
            return
        report = decode_report(result.data)
        if report is None:
            self._reported(DH_IO)
        elif self._report_bytes < report.needs_bytes <= REPORT_BYTES_MAX:
            self._report_bytes = report.needs_bytes
            self._send_report(device)
        else:
            self._take(device, report)
            self._reported(self._outcome(device))

    def _refused(self, device: ScsiDevice, result: Result) -> None:
        """The report did not come."""
        sense = result.sense
        if self.valid_states & ~SUPPORTS_OPTIMIZED == 0:
            # There is no other state, and no better way; arrays in the middle of an upgrade refuse now and then.
            device.say("alua: ignoring rtpg result")
            self._reported(DH_OK)
        elif result.outcome == NOT_TAKEN:
            self._reported(DH_DEV_TEMP_BUSY)
        elif sense is None:
            device.say("alua: rtpg failed, no sense")
            self._reported(DH_RES_TEMP_UNAVAIL if result.outcome == NO_CONNECT else DH_IO)
        elif sense.key == ILLEGAL_REQUEST and not self._has_no_extended_header:
            # Some arrays refuse the header that they do not know.
            self._has_no_extended_header = True
            self._send_report(device)
        elif sense.key == NOT_READY and sense.is_code(0x04, 0x0A):
            self.state = TRANSITIONING
            self._reported(self._outcome(device))
        elif sense.key == UNIT_ATTENTION and self._now_ns() < self._expiry_ns:
            device.say(f"alua: rtpg retry, sense {sense.words()}")
            self._reported(DH_RETRY)
        else:
            device.say(f"alua: rtpg failed, sense {sense.words()}")
            self._expiry_ns = 0
            self._reported(DH_IO)

    def _take(self, device: ScsiDevice, report: Report) -> None:
        """Note what the array says of this group, and of its others."""
        before_s = self.transition_s
        self.transition_s = report.transition_s or TRANSITION_S
        if self.transition_s != before_s:
            device.say(f"alua: transition timeout set to {self.transition_s} seconds")
            self._expiry_ns = self._now_ns() + self.transition_s * NS_PER_S
        for one in report.groups:
            group = self if one.group_id == self.group_id else self.groups.find(self.unit, one.group_id)
            if group is None:
                continue
            if group is self or not group.is_running():
                group.note(one.state, one.preferred)
            if group is self:
                self.valid_states = one.supports

    def is_running(self) -> bool:
        return self._is_running

    def note(self, state: int, preferred: bool) -> None:
        """What a report says, of the group and of all devices in it."""
        self.state = state
        self.is_preferred = preferred
        for member in self.members:
            member.access_state = state
            member.is_preferred = preferred

    def _words(self) -> str:
        preferred = "preferred" if self.is_preferred else "non-preferred"
        letter = STATE_LETTERS.get(self.state, "X")
        return (
            f"port group {self.group_id:02x} state {letter} {preferred} supports {support_letters(self.valid_states)}"
        )

    def _outcome(self, device: ScsiDevice) -> int:
        """What the state that is known now comes to."""
        if self._words() != self._before:
            device.say(f"alua: {self._words()}")
        if self.state == TRANSITIONING and self._now_ns() < self._expiry_ns:
            self._interval_s = RETRY_S
            return DH_RETRY
        self._expiry_ns = 0
        if self.state == TRANSITIONING:
            self.note(STANDBY, self.is_preferred)
            return DH_IO
        return DH_DEV_OFFLINED if self.state == OFFLINE else DH_OK

    def _reported(self, outcome: int) -> None:
        if outcome == DH_RES_TEMP_UNAVAIL and self._try_another():
            outcome = DH_IMM_RETRY
        if outcome in (DH_RETRY, DH_IMM_RETRY) or self._wants_report:
            self._again(outcome)
            return
        if outcome != DH_OK:
            self._wants_set = False
        if self._wants_set:
            self._wants_set = False
            self._set()
        else:
            self._finish(outcome)

    def _again(self, outcome: int) -> None:
        """Ask once more: at once, or after the interval."""
        self._is_running = False
        if outcome == DH_IMM_RETRY:
            self._interval_s = 0
        elif not self._interval_s and not self._wants_report:
            self._interval_s = RETRY_S
        self._wants_report = True
        self._schedule(self._interval_s * NS_PER_S)

    def _try_another(self) -> bool:
        """Ask by way of another member. Linux: alua_rtpg_select_sdev()."""
        device = self._device
        assert device is not None
        self._unreachable.append(device)
        for member in self.members:
            if member not in self._unreachable:
                member.say("alua: rtpg retry on different device")
                self._device = member
                return True
        return False

    # Setting.

    def _set(self) -> None:
        """Linux: alua_stpg()."""
        device = self._device
        assert device is not None
        if not self.tpgs & EXPLICIT:
            self._after_set(DH_RETRY)
        elif self.state == OPTIMIZED or (self.state == NON_OPTIMIZED and self._leaves_non_optimized()):
            self._after_set(DH_OK)
        elif self.state == OFFLINE:
            self._after_set(DH_IO)
        elif self.state in (NON_OPTIMIZED, STANDBY, UNAVAILABLE, TRANSITIONING):
            device.execute(set_target_port_groups(encode_set([(self.group_id, OPTIMIZED)])), self)
        else:
            device.say(f"alua: stpg failed, unhandled TPGS state {self.state}")
            self._after_set(DH_NOSYS)

    def _leaves_non_optimized(self) -> bool:
        return self.optimize_set and not self.is_preferred and self.tpgs & IMPLICIT != 0

    def _judge_set(self, device: ScsiDevice, result: Result) -> None:
        """Whatever the array has answered, its report tells what came of it."""
        if result.outcome == NOT_TAKEN:
            device.say("alua: stpg failed, not sent")
            self._after_set(DH_DEV_TEMP_BUSY)
            return
        if result.outcome != GOOD:
            device.say(
                f"alua: stpg failed, {f'sense {result.sense.words()}' if result.sense is not None else 'no sense'}"
            )
        self._after_set(DH_RETRY)

    def _after_set(self, outcome: int) -> None:
        if outcome == DH_RETRY or self._wants_report:
            self._interval_s = 0
            self._wants_report = True
            self._is_running = False
            self._schedule(0)
        else:
            self._finish(outcome)

    def _finish(self, outcome: int) -> None:
        waiting = self._waiting
        self._waiting = []
        self._unreachable = []
        self._device = None
        self._is_running = False
        for owner in waiting:
            owner.activated(outcome)

    def _now_ns(self) -> int:
        return self.timers.clock.now_ns


def _is_transition(sense: Sense) -> bool:
    return sense.key in (NOT_READY, UNIT_ATTENTION) and sense.is_code(0x04, 0x0A)


class PortGroups(HandlerCommons):
    """The groups that devices of one world are in."""

    def __init__(self) -> None:
        self.all: list[PortGroup] = []

    def find(self, unit: str, group_id: int) -> PortGroup | None:
        """A group of the unit of this name. One without a name has no other groups that could be known."""
        for group in self.all:
            if unit and group.unit == unit and group.group_id == group_id:
                return group
        return None

    def get(self, unit: str, group_id: int, tpgs: int, device: ScsiDevice) -> PortGroup:
        found = self.find(unit, group_id)
        if found is not None:
            return found
        made = PortGroup(self, unit, group_id, tpgs, device)
        self.all = [group for group in self.all if group.members] + [made]
        return made


def port_groups(device: ScsiDevice) -> PortGroups:
    found = device.world.commons.get("alua")
    if isinstance(found, PortGroups):
        return found
    made = PortGroups()
    device.world.commons["alua"] = made
    return made
