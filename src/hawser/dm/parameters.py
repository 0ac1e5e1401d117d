"""Parameters: what is set for a whole machine rather than in a table, under the names that it has on a kernel's command line.

Linux: module_param_named() in drivers/md/dm-mpath.c, /sys/module/dm_multipath/parameters. One name is not the kernel's:
`dm_multipath.semantics` says which release's rules count where 6.12 and 6.16 differ (docs/differences.md has the list); a table
keeps those under which it was loaded.
"""

from typing import Final

NO_PATH_TIMEOUT: Final = "dm_multipath.queue_if_no_path_timeout_secs"
SEMANTICS: Final = "dm_multipath.semantics"
LINUX_6_12: Final = "6.12"
LINUX_6_16: Final = "6.16"
RELEASES: Final = (LINUX_6_12, LINUX_6_16)
NAMES: Final = (NO_PATH_TIMEOUT, SEMANTICS)
# Of the multipath target, by release.
MULTIPATH_VERSIONS: Final = {LINUX_6_12: "1.14.0", LINUX_6_16: "1.15.0"}

DIGITS_MAX: Final = 20
ULONG_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF

# Of dm_mod: what a value of 0 becomes when it is used, and the most.
USED: Final = {
    "dm_mq_nr_hw_queues": (1, 32),
    "dm_mq_queue_depth": (2048, 10240),
    "reserved_bio_based_ios": (16, 1024),
    "reserved_rq_based_ios": (256, 1024),
}


class ParameterError(ValueError):
    """There is no such parameter, or it cannot have that value; the message says what would be right."""


class Parameters:
    """Of one machine. `queue_if_no_path_timeout_secs`: so long a map without any path queues; 0: as long as its table says."""

    def __init__(self) -> None:
        self.queue_if_no_path_timeout_secs = 0
        self.semantics = LINUX_6_12
        # Whether what Linux does is done where something better is done otherwise (docs/differences.md says where); for a machine
        # that is compared with Linux.
        self.faithful = False
        # Of dm_mod, by name.
        self.core: dict[str, int] = {name: default for name, (default, _) in USED.items()}

    def use(self, name: str) -> int:
        """The value of a parameter of dm_mod, which is put right when it is used. Linux: __dm_get_module_param()."""
        default, most = USED[name]
        self.core[name] = min(self.core[name], most) or default
        return self.core[name]

    def set(self, name: str, value: str) -> None:
        """Set the parameter of that name. ParameterError; then nothing has changed."""
        if name == NO_PATH_TIMEOUT:
            if not (value.isascii() and value.isdecimal() and len(value) <= DIGITS_MAX and int(value) <= ULONG_MAX):
                raise ParameterError(f"{name}={value}: is not a number of seconds from 0 to {ULONG_MAX}")
            self.queue_if_no_path_timeout_secs = int(value)
        elif name == SEMANTICS:
            if value not in RELEASES:
                raise ParameterError(f"{name}={value}: is none of {', '.join(RELEASES)}")
            self.semantics = value
        else:
            raise ParameterError(f"there is no parameter {name!r}; there are {', '.join(NAMES)}")

    def get(self, name: str) -> str:
        """Its value, as `set` takes it. ParameterError."""
        if name == NO_PATH_TIMEOUT:
            return str(self.queue_if_no_path_timeout_secs)
        if name == SEMANTICS:
            return self.semantics
        raise ParameterError(f"there is no parameter {name!r}; there are {', '.join(NAMES)}")

    def assign(self, text: str) -> None:
        """`NAME=VALUE`. ParameterError."""
        name, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(f"{text!r} is not NAME=VALUE; names are {', '.join(NAMES)}")
        self.set(name, value)

    def is_6_16(self) -> bool:
        return self.semantics == LINUX_6_16

    def multipath_version(self) -> str:
        """That of the multipath target."""
        return MULTIPATH_VERSIONS[self.semantics]

    def use_reserve(self, is_bio_based: bool) -> None:
        """A table is there, with the I/Os that are kept for it."""
        self.use("reserved_bio_based_ios" if is_bio_based else "reserved_rq_based_ios")

    def use_queues(self) -> tuple[int, int]:
        """How many tags a request-based map gets, and how many hardware queues."""
        return self.use("dm_mq_queue_depth"), self.use("dm_mq_nr_hw_queues")
