"""Instructions per I/O of a real kernel: null_blk alone, and multipath over four of them, request-based and bio-based.

    ORACLE_BUILD=DIR python -m bench.kernel.icount

DIR holds `base.cpio` and `vmlinuz` of the kernel oracle. The guest runs under QEMU's software emulation with `-icount
shift=0`: one processor, and each instruction takes one nanosecond of its time, so that a clock in the guest counts
instructions, the same number on every machine. The client (io.c) is part of the count, and the same in every row.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TIMEOUT_S = 900
NAMES = {
    "raw": "null_blk",
    "rq": "multipath rq, none, service-time",
    "rqsorted": "multipath rq, mq-deadline, service-time",
    "bio": "multipath bio, service-time",
    "rqrr": "multipath rq, none, round-robin",
    "biorr": "multipath bio, round-robin",
}


def measure(build: Path) -> list[tuple[str, int, float]]:
    """(row, I/Os in one submission, instructions per I/O)."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        root = work / "r" / "scn"
        root.mkdir(parents=True)
        subprocess.run(["gcc", "-O2", "-static", "-o", str(root / "io"), str(HERE / "io.c")], check=True)
        (root / "main.sh").write_text((HERE / "guest.sh").read_text())
        listing = "\n".join(["scn", "scn/io", "scn/main.sh"])
        added = subprocess.run(
            ["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"],
            input=listing.encode(),
            cwd=work / "r",
            check=True,
            capture_output=True,
        ).stdout
        (work / "initrd").write_bytes((build / "base.cpio").read_bytes() + added)
        out = work / "out"
        run_guest(build, work / "initrd", out)
        text = out.read_text(errors="replace")
        lines = [line.split() for line in text.splitlines()]
    return [
        (words[0], int(words[1]), int(words[3]) / int(words[2]))
        for words in lines
        if len(words) == 4 and words[0] in NAMES
    ]


def run_guest(build: Path, initrd: Path, out: Path) -> None:
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-cpu", "max"]
    command += ["-m", "512", "-smp", "1", "-nodefaults", "-display", "none", "-no-reboot"]
    command += ["-kernel", str(build / "vmlinuz"), "-initrd", str(initrd)]
    command += ["-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on tsc=reliable"]
    command += ["-serial", "null", "-device", "virtio-serial-pci", "-chardev", f"file,id=c0,path={out}"]
    command += ["-device", "virtserialport,chardev=c0,name=oracle"]
    subprocess.run(command, check=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)


def main() -> int:
    build = os.environ.get("ORACLE_BUILD")
    if not build:
        print("set ORACLE_BUILD to the kernel oracle's build directory", file=sys.stderr)
        return 2
    rows = measure(Path(build))
    if not rows:
        print("the guest has printed nothing", file=sys.stderr)
        return 1
    for batch in (1, 32):
        base = next(cost for name, size, cost in rows if name == "raw" and size == batch)
        print(f"{batch} reads of 4 KiB in one submission")
        for name, size, cost in rows:
            if size == batch:
                print(
                    f"  {NAMES[name]:42}{cost:8,.0f} instructions per I/O   {cost - base:+8,.0f}   x {cost / base:.2f}"
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
