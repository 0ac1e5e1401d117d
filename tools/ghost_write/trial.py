"""One row on one side: the older operation, the fault, the newer operation, and what the disk holds in the end."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace

from tests.support.fleet import Fleet
from tests.support.gateway import Gateway
from tests.support.nbd_client import NbdClient, NbdError
from tests.support.upstreams import content
from tools.ghost_write.judge import BEFORE, Seen, letter, verdict
from tools.ghost_write.others import Others
from tools.ghost_write.plan import PIECES, Variant
from tools.ghost_write.rig import REACHES_SERVER_S, Rig

from hawser.nbd import protocol

_COMMANDS = {"zeroes": protocol.CMD_WRITE_ZEROES, "discard": protocol.CMD_TRIM}
_FLAGS = {
    "zeroes": protocol.FLAG_SEND_WRITE_ZEROES,
    "discard": protocol.FLAG_SEND_TRIM,
    "fua": protocol.FLAG_SEND_FUA,
}
_LIFTED = re.compile(r"fence lifted: .*\(session \d+\): (.+)$", re.MULTILINE)
# For `before` and `beside`: how long the retry, and the newer one, are held below the second server.
RETRY_HELD_S = 0.6
BESIDE_HELD_S = 2.0
BEFORE_HELD_S = 1.2
SETTLED_S = 0.4
LOOK_S = 0.01
STILL_WAITS = "none: still waits"
OLDER_WAITS = "none: the older one is not acknowledged"
NO_FENCE = "no fence: proved at once"


@dataclass
class Outcome:
    """`newer_wait_s` is None while it still waits; `note`: why there is nothing to see; `error`: what went wrong with the rig."""

    verdict: str = ""
    lost: bool = False
    newer_wait_s: float | None = None
    waits: bool = False
    others_s: float = 0.0
    proof: str = ""
    note: str = ""
    error: str = ""


class _Asked:
    """An operation that was sent: when it was answered, the last piece of it, and whether that was a success."""

    def __init__(self, client: NbdClient, op: str, place: tuple[int, int], data: bytes) -> None:
        self.client = client
        self.sent = time.monotonic()
        pieces = PIECES if op == "merged" else 1
        offset, size = place[0], place[1] // pieces
        command = _COMMANDS.get(op, protocol.CMD_WRITE)
        flags = protocol.CMD_FLAG_FUA if op == "fua" else 0
        self.left = [
            client.send(
                command, offset + piece * size, size, data * size if command == protocol.CMD_WRITE else b"", flags
            )
            for piece in range(pieces)
        ]
        self.answered_at: float | None = None
        self.error = 0

    def look(self, until: float) -> bool:
        """Whether it is answered, waiting no longer than until then."""
        while self.left and self.client.has_answer(self.left[0], max(0.001, until - time.monotonic())):
            try:
                self.client.wait(self.left.pop(0))
            except NbdError as error:
                self.error = error.errno or protocol.EIO
            if not self.left:
                self.answered_at = time.monotonic()
        return not self.left

    def succeeded(self) -> bool:
        return self.answered_at is not None and not self.error


class Trial:
    """`run` once."""

    def __init__(self, fleet: Fleet, variant: Variant, naive: bool, queue_mode: str, cache: str) -> None:
        self.variant = variant
        self.fleet = fleet
        self.rig = Rig(fleet, variant, naive, queue_mode, cache)
        self.client = self.rig.gateway.client()
        self.others = Others(self.rig.gateway.client())
        self.began = 0.0
        self.healed = False
        self.settled: bytes | None = None
        # Whether the newer one was sent when the older one had been acknowledged, where the order is `after`.
        self.followed = True

    def run(self) -> Outcome:
        variant, rig = self.variant, self.rig
        for op in (variant.older, variant.newer):
            if op in _FLAGS and not self.client.export.flags & _FLAGS[op]:
                return Outcome(note=f"no {op} here")
        if variant.size % self.client.export.block_min:
            return self._refused()
        self.others.start()
        time.sleep(0.1)
        self.others.begin()
        rig.arrange()
        self.began = time.monotonic()
        older = _Asked(self.client, variant.older, variant.older_range(), letter("older", variant.older))
        newer = getattr(self, f"_{variant.order}")(older)
        self._until_answered(older, newer, self.began + rig.lifts_after_s())
        self._watch(max(self.began + rig.settles_after_s(), time.monotonic() + SETTLED_S))
        older.look(0)
        newer.look(0)
        others_s = self.others.end()
        rig.write_back(self.client)
        seen = Seen(self._content(), self.settled, older.succeeded(), newer.succeeded())
        # One that was sent before the older one was acknowledged was under way beside it.
        words, lost = verdict(variant if self.followed else replace(variant, order="before"), seen)
        outcome = Outcome(words, lost, others_s=others_s, waits=newer.answered_at is None)
        if newer.answered_at is not None:
            outcome.newer_wait_s = newer.answered_at - newer.sent
        outcome.proof = self._proof(older, newer)
        failed = [
            f"{name} failed: errno {asked.error}" for name, asked in (("older", older), ("newer", newer)) if asked.error
        ]
        outcome.error = "; ".join([*failed, *filter(None, [self.others.fault, _traceback(rig.gateway)])])
        return outcome

    def _proof(self, older: _Asked, newer: _Asked) -> str:
        if newer.answered_at is None:
            return STILL_WAITS
        if older.answered_at is None:
            return OLDER_WAITS
        return proof_in(self.rig.gateway) or NO_FENCE

    def _refused(self) -> Outcome:
        """Blocks that are smaller than a server may rewrite: not taken at all, fences or none."""
        block = self.client.export.block_min
        older = _Asked(self.client, self.variant.older, self.variant.older_range(), b"W")
        is_answered = older.look(time.monotonic() + SETTLED_S + 5)
        touched = self._content().strip(BEFORE) != b""
        if is_answered and older.error == protocol.EINVAL and not touched:
            return Outcome(f"refused: blocks of {block}", proof="no fence: never sent")
        return Outcome("a part of a block was taken", True)

    # When the newer one is sent.

    def _after(self, older: _Asked) -> _Asked:
        self.rig.strike()
        self.followed = self._look(older, self.began + self.rig.lifts_after_s())
        if not self.followed and self.rig.may_acknowledge():
            raise AssertionError("the older write's retry was not acknowledged")
        return self._send_newer()

    def _before(self, older: _Asked) -> _Asked:
        """While the retry is held below the second server. Then the newer one is, for longer, so that it lands last."""
        self.rig.hold("second", RETRY_HELD_S)
        self.rig.strike()
        time.sleep(RETRY_HELD_S / 2)
        self.rig.hold("second", BEFORE_HELD_S)
        newer = self._send_newer()
        time.sleep(REACHES_SERVER_S)
        self.rig.hold("second", 0)
        return newer

    def _beside(self, older: _Asked) -> _Asked:
        """By the other path, and held below its server until the older one's retry has landed."""
        time.sleep(REACHES_SERVER_S / 2)
        self.rig.hold("second", BESIDE_HELD_S)
        self.rig.gateway.dm("message", "mpatha", "0", "switch_group", "2")
        newer = self._send_newer()
        time.sleep(REACHES_SERVER_S / 2)
        self.rig.hold("second", 0)
        self.rig.strike()
        return newer

    def _send_newer(self) -> _Asked:
        variant = self.variant
        return _Asked(self.client, variant.newer, variant.newer_range(), letter("newer", variant.newer))

    # Waiting.

    def _until_answered(self, older: _Asked, newer: _Asked, until: float) -> None:
        """Both, or the newer one where they follow one another; what is read there then must stay."""
        wanted = [newer] if self.variant.order == "after" and self.followed else [older, newer]
        left = list(wanted)
        while left and time.monotonic() < until:
            # Each is looked at in every round, so that the time of its answer is known.
            left = [asked for asked in left if not asked.look(time.monotonic() + LOOK_S)]
            self._heal_in_time()
        if all(asked.succeeded() for asked in wanted):
            start, size = self.variant.whole_range()
            read = self.client.send_read(start, size)
            while self.settled is None and time.monotonic() < until:
                # It may have to wait for a fence, too.
                self._heal_in_time()
                if self.client.has_answer(read, LOOK_S):
                    self.settled = self.client.wait(read)

    def _look(self, asked: _Asked, until: float) -> bool:
        while not asked.look(time.monotonic() + LOOK_S):
            self._heal_in_time()
            if time.monotonic() >= until:
                return False
        return True

    def _watch(self, until: float) -> None:
        while time.monotonic() < until:
            self._heal_in_time()
            time.sleep(LOOK_S)

    def _heal_in_time(self) -> None:
        heals = self.rig.heals_after_s()
        if heals and not self.healed and time.monotonic() >= self.began + heals:
            self.healed = True
            self.rig.heal()

    def _content(self) -> bytes:
        return content(self.rig.image, *self.variant.whole_range())


def proof_in(gateway: Gateway) -> str:
    """What the log says has lifted fences, each once; what is left waiting otherwise."""
    return "; ".join(dict.fromkeys(_LIFTED.findall(gateway.log())))


def _traceback(gateway: Gateway) -> str:
    return "a traceback in hawser's log" if "Traceback" in gateway.log() else ""
