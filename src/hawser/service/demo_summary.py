"""What a run of the demonstration has shown, and whether it is what was promised."""

from dataclasses import dataclass, field

from hawser.service.demo_load import LoadReport


@dataclass
class Summary:
    """`lit_ns` and `dark_ns`: the longest wait of an I/O that had a path left all the time, and of one that had not.

    `problems` were seen on the way; `cut_short`: somebody ended it before its time.
    """

    report: LoadReport = field(default_factory=LoadReport)
    disk_blocks: int = 0
    seconds: float = 0.0
    planned_failures: int = 0
    failovers: int = 0
    without_path_ns: int = 0
    lit_ns: int = 0
    dark_ns: int = 0
    cut_short: bool = False
    problems: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Everything that is not as it should be; nothing when the line held."""
        report = self.report
        faults = list(self.problems)
        if report.errors or report.corrupt:
            faults.append(f"the first of them: {report.fault}")
        elif report.fault:
            faults.append(report.fault)
        if report.phase != "done":
            faults.append(f"the load did not end: {report.in_flight} I/Os had no answer ({report.phase})")
        elif report.read_back_blocks < self.disk_blocks:
            faults.append(f"{report.read_back_blocks:,} of {self.disk_blocks:,} blocks were read back")
        if report.ios() == 0 and not self.cut_short:
            faults.append("no I/O was done")
        if self.failovers < self.planned_failures:
            faults.append(f"{self.planned_failures} path failures were planned, {self.failovers} happened")
        return faults

    def is_good(self) -> bool:
        return not self.faults()

    def verdict(self) -> str:
        """`0 errors, 0 corrupt blocks`, one hopes."""
        return f"{_count(self.report.errors, 'error')}, {_count(self.report.corrupt, 'corrupt block')}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
