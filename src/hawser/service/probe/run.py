"""The probe as a whole: what is refused, the order of the tests, and which declarations are contradicted in the end."""

import os
from dataclasses import dataclass, field, replace
from typing import Final

from hawser.nbd import protocol
from hawser.nbd.client_questions import Answers
from hawser.paths.disk_lock import LockedError, NoLocksError, lock
from hawser.paths.uri import PathUri
from hawser.service.probe import coherence, late
from hawser.service.probe.coherence import Coherence
from hawser.service.probe.connection import ProbeError, ask
from hawser.service.probe.facts import Fact, facts_about, other_clients, takes_two_clients
from hawser.service.probe.finding import UNTESTED, Contradiction, Finding
from hawser.service.probe.late import LateWrites
from hawser.service.probe.neighbours import Neighbours
from hawser.service.probe.scratch import Scratch, Stamps, cut_to_blocks
from hawser.service.probe.store import NbdStore, Store, open_store
from hawser.service.probe.zeroing import Zeroing
from hawser.service.state_dir import LOCK_NAME

URIS_MAX: Final = 2
ONE_CLIENT: Final = "the server takes no second client: allow it two (qemu-nbd --shared 2)"
IN_FLIGHT: Final = "writes in flight when a connection ends"


@dataclass
class Report:
    """`facts` by URI; `findings` in the order in which they were made."""

    uris: list[PathUri]
    facts: list[list[Fact]] = field(default_factory=list)
    scratch: Scratch | None = None
    findings: list[Finding] = field(default_factory=list)

    def contradicted(self) -> list[Contradiction]:
        """Each once, those that are declared first."""
        found = dict.fromkeys(against for finding in self.findings for against in finding.contradicts)
        return sorted(found, key=lambda against: not against.declared)

    def status(self) -> int:
        """The exit status: 1 if something was disproved that is declared, or relied upon."""
        return 1 if any(against.declared for against in self.contradicted()) else 0


class Listener:
    """Told of everything as it is found."""

    def facts(self, number: int, uri: PathUri, facts: list[Fact]) -> None:
        raise NotImplementedError

    def scratch(self, scratch: Scratch) -> None:
        raise NotImplementedError

    def finding(self, finding: Finding) -> None:
        raise NotImplementedError


class Probe:
    """One or two URIs; `place` is the scratch range, offset and length in bytes; `state_dir` the state directory of the gateway
    that serves the disk at other times, or empty."""

    def __init__(
        self, uris: list[PathUri], place: tuple[int, int], watch_s: float, state_dir: str, listener: Listener
    ) -> None:
        self.report = Report(uris)
        self.place = place
        self.watch_s = watch_s
        self.state_dir = state_dir
        self.listener = listener
        self.stamps = Stamps()
        self._lock_fd = -1
        # By URI: whether its server takes a second client.
        self._takes_two: list[bool] = []

    def run(self) -> Report:
        """ProbeError where nothing can be tested, or must not be: before anything is written."""
        report = self.report
        for uri in report.uris:
            if uri.scheme == "ram":
                raise ProbeError(f"path {uri.text!r}: is memory of hawser's own, there is nothing to probe")
        if self.state_dir:
            self._lock_fd = lock_state(self.state_dir)
        stores: list[Store] = []
        try:
            for number, uri in enumerate(report.uris):
                others = other_clients(uri)
                # Alone at first: there are servers that take one client at a time.
                answers = ask(uri) if uri.is_nbd() else Answers()
                stores.append(open_store(uri))
                self._takes_two.append(not uri.is_nbd() or takes_two_clients(uri))
                report.facts.append(facts_about(uri, stores[number], answers, self._takes_two[number], others))
                self.listener.facts(number, uri, report.facts[number])
            scratch = self._scratch(stores)
            report.scratch = scratch
            self.listener.scratch(scratch)
        finally:
            for store in stores:
                store.close()
        try:
            self._test(scratch)
        finally:
            if self._lock_fd >= 0:
                os.close(self._lock_fd)
        return report

    def _scratch(self, stores: list[Store]) -> Scratch:
        for store in stores:
            if store.facts.read_only:
                raise ProbeError(f"{store.uri.place()}: is read-only: nothing can be tested")
        if stores[0].facts.size_bytes != stores[-1].facts.size_bytes:
            sizes = " and ".join(str(store.facts.size_bytes) for store in stores)
            raise ProbeError(f"the two URIs lead to disks of different sizes, {sizes} bytes: not the same disk")
        unit = max(4096, *(max(store.facts.rmw_unit, store.facts.block_size) for store in stores))
        return cut_to_blocks(self.place, unit, [store.facts.size_bytes for store in stores])

    def _test(self, scratch: Scratch) -> None:
        uris = self.report.uris
        if len(uris) > 1:
            # First, while neither server has a reason to remember anything of the range.
            self._pair([0, 1], scratch)
        is_coherent = [self._each(number, scratch) for number in range(len(uris))]
        self._tell(coherence.untestable(uris), list(range(len(uris))))
        for number, uri in enumerate(uris):
            if uri.is_nbd():
                self._late(number, scratch, is_coherent[number])

    def _each(self, number: int, scratch: Scratch) -> bool:
        """What is asked of one server alone; whether its connections are coherent."""
        uri = self.report.uris[number]
        if not uri.is_nbd():
            return True
        is_coherent = False
        if self._takes_two[number]:
            is_coherent = self._pair([number], scratch)
        else:
            what = "cache=lun, cache=none, read-modify-write"
            self._tell([Finding(what, "two connections", UNTESTED, ONE_CLIENT)], [number])
        try:
            store = NbdStore(uri)
            try:
                self._tell(Zeroing(store, number, scratch, self.stamps).check(), [number])
            finally:
                store.close()
        except ProbeError as error:
            self._tell([Finding("write zeroes, discard", "both", UNTESTED, str(error))], [number])
        return is_coherent

    def _pair(self, numbers: list[int], scratch: Scratch) -> bool:
        """Coherence and neighbours, through two connections to one server or through two servers."""
        stores: list[Store] = []
        try:
            try:
                stores.append(open_store(self.report.uris[numbers[0]]))
                stores.append(open_store(self.report.uris[numbers[-1]]))
                return self._through(stores[0], stores[1], numbers, scratch)
            finally:
                for store in stores:
                    store.close()
        except ProbeError as error:
            self._tell([Finding("cache, read-modify-write", "both", UNTESTED, str(error))], numbers)
            return False

    def _through(self, first: Store, second: Store, numbers: list[int], scratch: Scratch) -> bool:
        is_one = len(numbers) == 1
        multi_conn = is_one and isinstance(first, NbdStore) and says_multi_conn(first)
        uris = [self.report.uris[number] for number in numbers]
        check = Coherence((first, second), uris, scratch, self.stamps, multi_conn)
        other = None if is_one else check.same_disk()
        self._tell(_renumbered([other] if other is not None else check.check(), numbers), numbers)
        if check.is_coherent:
            pairs = Neighbours((first, second), scratch, self.stamps, not is_one).check()
        else:
            why = "what is read depends on where: a write that is not seen cannot be told from one that is lost"
            pairs = [Finding("read-modify-write", "writes side by side", UNTESTED, why)]
        self._tell(_renumbered(pairs, numbers), numbers)
        return check.is_coherent

    def _late(self, number: int, scratch: Scratch, is_coherent: bool) -> None:
        uri = self.report.uris[number]
        if not is_coherent:
            why = "its connections do not see one another's writes, so nobody can tell when one lands"
            if not self._takes_two[number]:
                why = ONE_CLIENT
            self._tell([Finding("eof=drains, quiesce", IN_FLIGHT, UNTESTED, why)], [number])
            self._tell(late.untestable(uri), [number])
            return
        try:
            self._tell(LateWrites(uri, number, scratch, self.stamps, self.watch_s).run(), [number])
        except ProbeError as error:
            self._tell([Finding("eof=drains, quiesce", IN_FLIGHT, UNTESTED, str(error))], [number])
        self._tell(late.untestable(uri), [number])

    def _tell(self, findings: list[Finding], numbers: list[int]) -> None:
        where = "URI " + " and ".join(str(number + 1) for number in numbers)
        for finding in findings:
            said = replace(finding, where=where)
            self.report.findings.append(said)
            self.listener.finding(said)


def says_multi_conn(store: NbdStore) -> bool:
    """Whether the server promises that its connections see one another's flushed writes."""
    return bool(store.connection.export.flags & protocol.FLAG_CAN_MULTI_CONN)


def lock_state(directory: str) -> int:
    """Lock a gateway's state directory as it does itself. ProbeError when somebody has it, or there is none."""
    name = os.path.join(directory, LOCK_NAME)
    try:
        fd = os.open(name, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise ProbeError(f"state directory {directory}: {error.strerror}: is it one of hawser's?") from None
    try:
        lock(fd, is_shared=False)
    except (LockedError, NoLocksError) as error:
        os.close(fd)
        raise ProbeError(f"state directory {directory}: {error} has it locked: stop that gateway first") from None
    return fd


def _renumbered(findings: list[Finding], numbers: list[int]) -> list[Finding]:
    """Contradictions name the URIs by their place on the command line."""
    found: list[Finding] = []
    for finding in findings:
        against = tuple(Contradiction(each.option, numbers[each.uri], each.declared) for each in finding.contradicts)
        found.append(replace(finding, contradicts=against))
    return found
