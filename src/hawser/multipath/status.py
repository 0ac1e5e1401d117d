"""What `dmsetup status` prints of a multipath target, and what the kernel's integrity measurement records of it.

Linux: STATUSTYPE_INFO and STATUSTYPE_IMA in multipath_status() of drivers/md/dm-mpath.c;
Documentation/admin-guide/device-mapper/dm-ima.rst. (The third form, STATUSTYPE_TABLE, is hawser.multipath.grammar's.)
"""

from hawser.multipath.state import PathState


def info_words(state: PathState) -> str:
    """`2 QUEUE_IO PG_INIT_COUNT 0 GROUPS GROUP`, then each group with its paths."""
    words = ["2", "1" if state.queue_io else "0", str(state.init_count), "0", str(len(state.groups))]
    words.append(str(state.group_number()))
    for group in state.groups:
        selector = group.selector
        words += [state.group_letter(group), selector.group_words(), str(len(group.paths)), str(selector.info_args)]
        for path in group.paths:
            words += [path.device.devt, path.letter(), str(path.fail_count)]
            if selector.info_args:
                words.append(selector.info_words(path))
    return " ".join(words) + " "


def ima_words(state: PathState, version: str) -> str:
    """`NAME=VALUE` pairs; groups and paths are numbered from 0 here. Selectors have nothing to say in it."""
    words = ["target_name=multipath", f"target_version={version}", f"nr_priority_groups={len(state.groups)}"]
    for number, group in enumerate(state.groups):
        words.append(f"pg_state_{number}={state.group_letter(group)}")
        words.append(f"nr_pgpaths_{number}={len(group.paths)}")
        words.append(f"path_selector_name_{number}={group.selector.name}")
        for place, path in enumerate(group.paths):
            which = f"{number}_{place}"
            words.append(f"path_name_{which}={path.device.devt}")
            words.append(f"is_active_{which}={path.letter()}")
            words.append(f"fail_count_{which}={path.fail_count}")
            words.append(f"path_selector_status_{which}=")
    return ",".join(words) + ";"
