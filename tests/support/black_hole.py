"""A network namespace behind a cable that can swallow everything: no reset, no refusal, just silence. Root only."""

import os
from pathlib import Path

from tests.support.processes import run
from tests.support.programs import missing, require_program


class BlackHole:
    """`address` is the far end's; programs are run there with `prefix` in front of their command."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            missing("only root can make network namespaces")
        self.ip = require_program("ip")
        number = os.getpid() % 16000
        self.name = f"hw{number}"
        self.near, self.far = f"hwn{number}", f"hwf{number}"
        network = f"10.213.{number // 63}.{number % 63 * 4}".rsplit(".", 1)
        base = int(network[1])
        self.address = f"{network[0]}.{base + 2}"
        self.prefix = [self.ip, "netns", "exec", self.name]
        try:
            self._ip("netns", "add", self.name)
            self._ip("link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.name)
            self._ip("addr", "add", f"{network[0]}.{base + 1}/30", "dev", self.near)
            self._ip("link", "set", self.near, "up")
            self._ip("-n", self.name, "addr", "add", f"{self.address}/30", "dev", self.far)
            self._ip("-n", self.name, "link", "set", self.far, "up")
            self._ip("-n", self.name, "link", "set", "lo", "up")
        except BaseException:
            self.remove()
            raise

    def swallow(self) -> None:
        self._ip("-n", self.name, "link", "set", self.far, "down")

    def heal(self) -> None:
        self._ip("-n", self.name, "link", "set", self.far, "up")

    def drop(self, packets: str) -> None:
        """nftables swallows `requests`, `answers` or `both` at the far end, whose link stays up."""
        nft = [*self.prefix, require_program("nft")]
        run([*nft, "add", "table", "inet", "hole"])
        hooks = {"requests": ["input"], "answers": ["output"], "both": ["input", "output"]}[packets]
        for hook in hooks:
            chain = f"{{ type filter hook {hook} priority 0; policy drop; }}"
            run([*nft, f"add chain inet hole {hook} {chain}"])

    def let_through(self) -> None:
        run([*self.prefix, require_program("nft"), "delete", "table", "inet", "hole"])

    def remove(self) -> None:
        if Path(f"/sys/class/net/{self.near}").exists():
            run([self.ip, "link", "del", self.near], check=False)
        run([self.ip, "netns", "del", self.name], check=False)

    def _ip(self, *words: str) -> None:
        run([self.ip, *words])
