"""Which kind of device a table makes: bio-based or request-based; and which tables are refused for it.

Linux: dm_table_determine_type() and device_is_not_rq_stackable() in drivers/md/dm-table.c; `seeds.md` 4.3 and 4.4.
"""

from hawser.dm.target import BIO_BASED, HYBRID, REQUEST_BASED, TableError, Target

_UNDETERMINED = "table: unable to determine table type"


def determine_kind(targets: list[Target], device_kind: str, live_kind: str) -> str:
    """For a device of kind `device_kind` (empty: not fixed yet), whose live table is of `live_kind` (empty: has none)."""
    declared = targets[0].queue_mode()
    if declared:
        kind = BIO_BASED if declared == "bio" else REQUEST_BASED
    else:
        kind = _kind_of_hooks(targets, device_kind)
    return kind if kind == BIO_BASED else _check_request_based(targets, live_kind)


def immutable_target(targets: list[Target]) -> Target | None:
    """The one target of a table that request-based I/O may go to. Linux: dm_table_get_immutable_target()."""
    return targets[0] if len(targets) == 1 and targets[0].target_type().immutable else None


def _kind_of_hooks(targets: list[Target], device_kind: str) -> str:
    """By the hooks that the targets have. Targets that can do both do what the device does already."""
    kinds = [target.kind for target in targets]
    if BIO_BASED in kinds and REQUEST_BASED in kinds:
        raise _refusal("Inconsistent table: different target types can't be mixed up")
    if BIO_BASED in kinds or REQUEST_BASED in kinds:
        return BIO_BASED if BIO_BASED in kinds else REQUEST_BASED
    assert kinds.count(HYBRID) == len(kinds)
    return device_kind or BIO_BASED


def _check_request_based(targets: list[Target], live_kind: str) -> str:
    if len(targets) > 1:
        raise _refusal("request-based DM doesn't support multiple targets")
    devices = targets[0].devices()
    if not devices:
        return live_kind or REQUEST_BASED
    target = immutable_target(targets)
    if target is None:
        raise _refusal("table load rejected: immutable target is required")
    if target.max_io_sectors:
        raise _refusal("table load rejected: immutable target that splits IO is not supported")
    for device in devices:
        # Neither a bio-based device nor a partition has a queue of its own.
        if device.queue is None:
            raise _refusal("table load rejected: including non-request-stackable devices")
    return REQUEST_BASED


def _refusal(message: str) -> TableError:
    return TableError(message, "EINVAL", [f"table: {message}", _UNDETERMINED])
