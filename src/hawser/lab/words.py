"""Words: times, sectors, commands and steps as a person would say them."""

import re
from typing import Final

from hawser.core.units import NS_PER_MS, NS_PER_S, NS_PER_US, format_size
from hawser.lab.plan import FILE, MAP_STEPS, QUEUE_STEPS, DevicePlan, PathPlan, Plan, ServerPlan, Step
from hawser.lab.stacks import is_path
from hawser.multipath.retained import RETAINED_BYTES_MAX

_NS: Final = re.compile(r"\b(\d+) ns\b")
_ONE_SECTOR: Final = re.compile(r"sectors (\d+)\.\.\1\b")
_KEY: Final = re.compile(r"\b(p\d+)#(\d+)\.(\d+) ")

_CACHES: Final = {
    "lun": "one cache behind all servers",
    "path": "a cache in each server",
    "none": "no cache",
}
_STACKS: Final = {
    "linear-above": "a linear device above the map",
    "split-above": "two linear targets above the map",
    "linear-below": "a linear device below each path",
    "multipath-above": "a second multipath device above the map",
}

# What a step does, in words; {d} its duration, {n} its amount, {w} its word.
_STEPS: Final = {
    "kill": "the process dies, and another starts after {d}",
    "stop": "the process hangs for {d}",
    "other_disk": "the process dies, and comes back after {d} with another disk",
    "smaller": "the process dies, and comes back after {d} with a smaller disk",
    "read_only": "the process dies, and comes back after {d} read-only",
    "flush_error": "the next flush fails, and what it should have written is lost",
    "write_back": "its cache writes up to {n} sectors back",
    "alua": "the port is {w} for {d}",
    "slow": "everything takes {n} times as long for {d}",
    "answer_late": "the next {w} is answered {d} late",
    "answer_never": "the next {w} is executed and never answered",
    "lost_command": "the next {w} is lost: not executed, not answered",
    "answer_twice": "the next {w} is answered twice, {d} apart",
    "execute_late": "the next {w} is executed and answered only after {d}",
    "error": "the next {w} is refused with status {n}",
    "error_after": "the next {w} is executed and answered with status {n}",
    "short": "of the next {w} {n} sectors are done",
    "lose": "the connection is lost; what is under way arrives with a chance of {n} %",
    "lose_far": "our side of the connection is lost; the server executes what it has received",
    "close": "the server closes the connection in good order",
    "black_hole": "nothing passes for {d}",
    "brown_out": "latency is {n} times as long for {d}",
    "flap": "the connection is lost {n} times, {d} apart",
    "disconnect": "drops its connection",
    "reconnect": "drops its connection and connects again",
    "message": "message {w}",
    "suspend": "suspend, and resume after {d}",
    "reload": "reload with table {w}",
    "dm": "dmsetup {w}",
    "scheduler": "the scheduler becomes {w}",
    "attribute": "the scheduler is tuned: {w}",
    "nomerges": "nomerges becomes {n}",
    "port_group": "its port group becomes {w}",
    "refuse_sets": "the array refuses to be told the states of port groups for {d}",
    "power_loss": "the power fails; everything starts again after {d}",
}


def duration(time_ns: int) -> str:
    """`250 us`, `1.5 ms`, `2 s`."""
    if time_ns >= NS_PER_S:
        return f"{_plain(time_ns / NS_PER_S)} s"
    if time_ns >= NS_PER_MS:
        return f"{_plain(time_ns / NS_PER_MS)} ms"
    return f"{_plain(time_ns / NS_PER_US)} us"


def _plain(number: float) -> str:
    return f"{number:.3g}" if number < 100 else f"{number:.0f}"


def milliseconds(time_ns: int) -> str:
    """A moment: `1100.204`, in milliseconds."""
    return f"{time_ns / NS_PER_MS:.3f}"


def tidy(text: str) -> str:
    """What the trace says, for people: times in fitting units, one sector as one, no numbers of commands."""
    text = _KEY.sub("", text)
    text = _NS.sub(lambda match: duration(int(match[1])), text)
    return _ONE_SECTOR.sub(r"sector \1", text)


def said_values(text: str) -> str:
    """What a read found: `zeroes` for `write 0`."""
    return "zeroes" if text == "write 0" else text


def plural(count: int, word: str) -> str:
    """`1 read`, `3 reads`, `2 flushes`."""
    if count == 1:
        return f"1 {word}"
    return f"{count} {word}{'es' if word.endswith('sh') else 's'}"


def describe_step(step: Step) -> str:
    """`server s0: the process hangs for 3 s`."""
    word = step.word
    if step.kind in (
        "answer_late",
        "answer_never",
        "lost_command",
        "answer_twice",
        "execute_late",
        "error",
        "error_after",
        "short",
    ):
        word = "command" if word in ("", "any") else word
    if step.kind == "alua":
        word = word or "standby"
    text = _STEPS[step.kind].format(d=duration(step.duration_ns), n=step.amount, w=word)
    if step.kind == "kill" and step.amount == 1:
        text += "; its cache survives"
    if step.kind == "dm" and step.duration_ns:
        text += f", interrupted after {duration(step.duration_ns)}"
    if step.kind in ("suspend", "reload") and step.amount == 1:
        text += " (noflush)"
    where = lane_of_target(step)
    return f"{where}: {text}" if where else text


def lane_of_target(step: Step) -> str:
    """The lane of the trace that a step belongs to."""
    target = step.target
    if step.kind in MAP_STEPS:
        return f"map {target}".rstrip()
    if step.kind in QUEUE_STEPS:
        return f"path {target}" if is_path(target) else f"map {target}".rstrip()
    if step.kind in ("disconnect", "reconnect"):
        return f"client {target}"
    if target[:1] in ("p", "s") and target[1:].isdigit():
        return f"{'path' if target[0] == 'p' else 'server'} {target}"
    return ""


def describe_world(plan: Plan) -> list[str]:
    """The configuration: disk, map, paths, servers, clients, and what is to happen to them."""
    unit = f", servers rewrite units of {plan.unit_sectors} sectors" if plan.unit_sectors > 1 else ""
    volatile = " (volatile)" if plan.volatile and plan.cache != "none" else ""
    lines = [f"disk      {plan.size_sectors} sectors, {_CACHES[plan.cache]}{volatile}{unit}"]
    for device in plan.below:
        lines += _device(device)
    for number, table in enumerate(plan.tables):
        lines.append(f"{'table' if number == 0 else f'table {number}':<10}{table}")
    for device in plan.above:
        lines += _device(device)
    around = [_STACKS[word] for word in plan.stack.split()]
    around += _queue_of_map(plan)
    around.append("the manager looks after the paths" if plan.manager else "no manager")
    if plan.manager and plan.marginal_tick_ns:
        around.append(f"looks for slow and flaky ones each {duration(plan.marginal_tick_ns)}")
    if plan.manager and plan.keepalive_ns:
        around.append(f"asks idle ones after {duration(plan.keepalive_ns)}")
    if plan.manager and plan.hedge_after_ns:
        around.append(f"asks twice for reads after {duration(plan.hedge_after_ns)}, for {plan.hedge_percent} % at most")
    if plan.retain_bytes != RETAINED_BYTES_MAX:
        around.append(f"retains {format_size(plan.retain_bytes)}" if plan.retain_bytes else "retains nothing")
    around.append("FENCES OFF (unsafe)" if plan.unsafe_no_fence else "fences on")
    lines.append(f"{'around':<10}{', '.join(around)}")
    lines += [f"path p{number:<5}{_path(path)}" for number, path in enumerate(plan.paths)]
    lines += [f"server s{number:<3}{_server(server)}" for number, server in enumerate(plan.servers)]
    for client in plan.clients:
        depth = f"{client.depth} at once" if client.depth else "without waiting for answers"
        where = f" on {client.device}" if client.device else ""
        where += f", priority class {client.priority}" if client.priority else ""
        lines.append(
            f"client    {client.name}: {plural(len(client.ops), 'I/O')}{where}, {depth}, {client.batch} in a plug"
        )
    lines += [
        f"at {milliseconds(step.at_ns):>10} ms  {describe_step(step)}" for step in sorted(plan.steps, key=_moment)
    ]
    return lines


def _device(device: DevicePlan) -> list[str]:
    """Each line of each of its tables."""
    found: list[str] = []
    for number, table in enumerate(device.tables):
        for line in table.splitlines():
            found.append(f"{device.name if number == 0 else f'{device.name} {number}':<10}{line}")
    return found


def _queue_of_map(plan: Plan) -> list[str]:
    words: list[str] = []
    if plan.scheduler != "none":
        words.append(f"the map's scheduler is {plan.scheduler}")
    if plan.nomerges:
        words.append(f"the map's nomerges is {plan.nomerges}")
    if plan.merge_deadline_ns:
        words.append(f"its requests wait {duration(plan.merge_deadline_ns)} for neighbours")
    if not plan.asks:
        words.append("it does not ask whether paths are busy")
    return words


def _moment(step: Step) -> int:
    return step.at_ns


def _path(path: PathPlan) -> str:
    words = [f"{path.transport} to s{path.server}", f"cache={path.cache}"]
    if path.quiesce_ns is not None:
        words.append(f"quiesce={duration(path.quiesce_ns).replace(' ', '')}")
    if path.eof_drains:
        words.append("eof=drains")
    if path.lun:
        words.append(f"disk {path.lun}")
    if path.scheduler != "none":
        words.append(path.scheduler)
    if path.nomerges:
        words.append(f"nomerges={path.nomerges}")
    if not path.write_cache or not path.fua:
        words.append("no FUA" if path.write_cache else "write through")
    if not path.feedback:
        words.append("no feedback")
    if path.limits is not None:
        words.append(f"at most {path.limits.max_sectors} sectors, {path.limits.max_segments} segments")
    words.append(f"latency {duration(path.latency_ns)}, I/O timeout {duration(path.io_timeout_ns)}")
    if path.transport != FILE:
        words.append(f"waits {duration(path.linger_ns)} for late answers")
    return ", ".join(words)


def _server(server: ServerPlan) -> str:
    slots = plural(server.slots, "command") + " at once"
    rate = f"{server.bytes_per_s / 1e6:.0f} MB/s"
    most = f", {server.commands_max} from here" if server.commands_max else ""
    return f"{duration(server.fixed_ns)} per command + {rate} ({server.spread}), {slots}{most}"
