"""rfc-2008: the machine that the RFC of 2008 put multipath below, beside that of Linux 6.12, on the same jobs."""

from hawser.core.units import NS_PER_US
from hawser.lab.experiments.base import (
    DERIVED,
    Claim,
    Curve,
    Experiment,
    Findings,
    Progress,
    Series,
    Table,
    Value,
    quietly,
)
from hawser.lab.experiments.busy_feedback import commands_of
from hawser.lab.experiments.crossing import where
from hawser.lab.model.stack_rig import BIOS_MAX, BLOCK, StackRig
from hawser.lab.request_fn import UNPLUG_DELAY_NS, UNPLUG_THRESHOLD, RequestFnQueue
from hawser.lab.world import MACHINE_2008, MACHINE_TODAY

K = 2.7
DEPTH = 32
PATHS = 4
T4_NS = 10_000
SERVICE_NS = round((1 + K) * T4_NS)

# Whose queue, and whether its submitter lets bios gather.
SYNC = "2008, who waits for each"
PLUGGED = "2008"
TODAY = "today"
TODAY_PLUG = "today, submitter's plug"


def commands_2008(bios: int) -> int:
    """Of a burst of neighbouring bios that somebody waits for: nothing leaves the elevator before it can go."""
    full = PATHS * DEPTH
    return bios if bios <= full else full + -(-(bios - full) // BIOS_MAX)


class Rfc2008(Experiment):
    name = "rfc-2008"
    title = "The RFC's own machine, and today's"
    hypothesis = (
        "The loop of 2008 peeks before it takes a request out of the elevator, and plugs the device while the paths "
        "are congested; blk-mq takes one out, and learns it then. On a burst that is one command of difference. What "
        "the plug of the device did for small jobs, at the price of up to 3 ms, the submitter's own plug does today "
        "for nothing. Without feedback neither merges."
    )
    model = (
        "Neighbouring 4 KiB reads without a submitter's plug on a request-based map with mq-deadline. A path serves "
        "one command after the other in c + bytes / B. 2008: one lock and one loop, the device is plugged until four "
        "requests wait or 3 ms have passed; `who waits for each`: each bio unplugs it."
    )
    parameters = {
        "k": K,
        "d": DEPTH,
        "P": PATHS,
        "t4_us": T4_NS / NS_PER_US,
        "bio_bytes": BLOCK,
        "unplug_requests": UNPLUG_THRESHOLD,
        "unplug_ms": UNPLUG_DELAY_NS / 1e6,
        "scheduler": "mq-deadline",
    }
    source = (
        "the RFC's dm_request_fn() over Linux 2.6.25 (hawser.lab.request_fn); seeds.md 3.7. The RFC gives no figures"
    )
    requirements = ("S1-03",)

    bios = 16_384
    bursts: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
    # What is compared with today's.
    machine = MACHINE_2008

    def run(self, progress: Progress = quietly) -> Findings:
        found = Findings()
        self._bursts(found)
        progress(0.4, "latency")
        self._alone(found)
        progress(0.5, "short bursts")
        self._short(found)
        return found

    def _rig(self, who: str) -> StackRig:
        machine = MACHINE_TODAY if who in (TODAY, TODAY_PLUG) else self.machine
        rig = StackRig("rq", PATHS, DEPTH, K, machine=machine, t4_ns=T4_NS)
        queue = rig.own_queue()
        if isinstance(queue, RequestFnQueue):
            queue.sync = who == SYNC
        return rig

    def _bursts(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        commands: dict[tuple[str, bool], int] = {}
        for feedback in (True, False):
            for who in (SYNC, TODAY):
                rig = self._rig(who)
                if not feedback:
                    rig.set_tags(self.bios)
                rig.set_feedback(feedback)
                rig.sequence(self.bios)
                rig.run()
                commands[who, feedback] = rig.commands()
                rows.append([who, feedback, rig.commands(), rig.sectors_per_command(), rig.mb_per_s()])
                found.records.append(
                    {"machine": who, "feedback": feedback, "commands": rig.commands(), "mb_per_s": rig.mb_per_s()}
                )
        found.tables.append(
            Table(
                f"A burst of {self.bios:,} bios",
                ("machine", "paths say busy", "commands", "sectors each", "MB/s"),
                rows,
            )
        )
        then, now = commands_2008(self.bios), commands_of(self.bios)
        found.claims += [
            Claim(
                "commands of the burst, 2008",
                DERIVED,
                commands[SYNC, True],
                then,
                then,
                "P d + ceil((N - P d) / 128): nothing has left the elevator that cannot go",
                "S1-03",
            ),
            Claim(
                "commands of the burst, today",
                DERIVED,
                commands[TODAY, True],
                now,
                now,
                "P d + 1 + ceil((N - P d - 1) / 128); seeds.md 1.1",
                "S1-03",
            ),
            Claim(
                "commands without feedback, 2008",
                DERIVED,
                commands[SYNC, False],
                self.bios,
                self.bios,
                "one per bio: why patch 3 of the RFC is part of it",
                "S1-03",
            ),
            Claim(
                "commands without feedback, today",
                DERIVED,
                commands[TODAY, False],
                self.bios,
                self.bios,
                "one per bio; seeds.md 1.1",
                "S1-03",
            ),
        ]

    def _alone(self, found: Findings) -> None:
        rows: list[list[Value]] = []
        took: dict[str, int] = {}
        for who in (PLUGGED, SYNC, TODAY):
            rig = self._rig(who)
            rig.sequence(1)
            took[who] = rig.run()
            rows.append([who, took[who] / NS_PER_US])
        found.tables.append(
            Table(
                "One read of 4 KiB and nothing else",
                ("machine", "us"),
                rows,
                f"The command itself takes {SERVICE_NS / NS_PER_US:g} us.",
            )
        )
        want = (UNPLUG_DELAY_NS + SERVICE_NS) / NS_PER_US
        found.claims += [
            Claim(
                "a single read for which nobody unplugs the device, 2008",
                DERIVED,
                took[PLUGGED] / NS_PER_US,
                want,
                want,
                "Linux 2.6.25 unplugs a device after 3 ms",
                "",
                "us",
            ),
            Claim(
                "the same today",
                DERIVED,
                took[TODAY] / NS_PER_US,
                SERVICE_NS / NS_PER_US,
                SERVICE_NS / NS_PER_US,
                "nothing is held back",
                "",
                "us",
            ),
        ]

    def _short(self, found: Findings) -> None:
        machines = (PLUGGED, SYNC, TODAY, TODAY_PLUG)
        measured = {who: [self._burst(who, bios) for bios in self.bursts] for who in machines}
        commands = {who: [count for count, _ in measured[who]] for who in machines}
        took_us = {who: [us for _, us in measured[who]] for who in machines}
        found.curves += [
            Curve(
                "Short bursts of neighbouring bios: commands",
                "bios",
                "commands",
                [Series(who, self.bursts, commands[who]) for who in machines],
                log_x=True,
                log_y=True,
            ),
            Curve(
                "Short bursts of neighbouring bios: how long they take",
                "bios",
                "us",
                [Series(who, self.bursts, took_us[who]) for who in machines],
                log_x=True,
                log_y=True,
            ),
        ]
        found.tables.append(
            Table(
                "Short bursts",
                ("bios", *(f"{who}: {what}" for who in machines for what in ("commands", "us"))),
                [
                    [bios, *(value for who in machines for value in (commands[who][place], took_us[who][place]))]
                    for place, bios in enumerate(self.bursts)
                ],
                f"Today without a plug, where no other is named. Up to P d = {PATHS * DEPTH} bios that is one command "
                "for each of them, spread over the paths; merged they are one command for one path.",
            )
        )
        for what, who in (("the plug of the device, with its 3 ms,", PLUGGED), ("the submitter's plug", TODAY_PLUG)):
            pays = [alone / gathered for alone, gathered in zip(took_us[TODAY], took_us[who], strict=True)]
            worst = pays.index(min(pays))
            found.limits.append(
                f"burst: with {what} it is 0.95 times as fast as without any at "
                f"{where('N', self.bursts[worst:], pays[worst:], 0.95)}, {max(pays):.2f} times at best and "
                f"{pays[-1]:.2f} at N = {self.bursts[-1]:,}; a short burst is one command for one path then, where "
                f"{PATHS} could work ({pays[worst]:.2f} at N = {self.bursts[worst]}; k = {K}, t4 = "
                f"{T4_NS / NS_PER_US:g} us)"
            )
        differ = max(now - then for then, now in zip(commands[SYNC], commands[TODAY], strict=True))
        found.limits.append(
            f"machine: over bursts of {self.bursts[0]} to {self.bursts[-1]:,} bios today's has at most {differ} command "
            f"more than that of 2008 if somebody waits for each bio; none up to P d = {PATHS * DEPTH}"
        )

    def _burst(self, who: str, bios: int) -> tuple[int, float]:
        """Commands, and microseconds."""
        rig = self._rig(who)
        rig.sequence(bios, BIOS_MAX if who == TODAY_PLUG else 1)
        took_us = rig.run() / NS_PER_US
        return rig.commands(), took_us
