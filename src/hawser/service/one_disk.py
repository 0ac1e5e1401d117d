"""One gateway for one disk, within a process too: two of its disks share no path, and no path of one leads to the other.

Two processes are kept apart by locks, where there are any (hawser.paths.disk_lock); here NBD servers are known, too.
"""

import os

from hawser.paths.uri import PathUri
from hawser.service.gateway import Gateway
from hawser.service.path_factory import RealPath


def place_key(uri: PathUri) -> tuple[str, str, str] | None:
    """What two URIs of one path have in common, whatever attributes they declare; None of ram, which is each disk's own.

    (Another name of a file is found out when it is open: nothing here may wait for a file system.)
    """
    if uri.scheme == "ram":
        return None
    if uri.scheme == "file":
        return "file", os.path.normpath(uri.filename), ""
    if uri.scheme == "nbd+unix":
        return "nbd+unix", os.path.realpath(uri.socket), uri.export
    return "nbd", f"{uri.host}:{uri.port}", uri.export


def path_of_another(gateway: Gateway, uri: PathUri) -> str:
    """Why `uri` cannot be a path of that disk, as it is one of another disk's; or an empty string."""
    key = place_key(uri)
    for other in gateway.common.gateways:
        if other is not gateway and key is not None and any(place_key(path.uri) == key for path in other.paths):
            return f"it is a path of {other.map_name()}"
    return ""


def disk_of_another(gateway: Gateway, path: RealPath) -> str:
    """The same of a path that was opened: by the file or block device that it is, by the WWID that it has."""
    for other in gateway.common.gateways:
        for found in other.paths if other is not gateway else []:
            if path.inode is not None and found.inode == path.inode:
                return f"it is the file that {found.uri.text} is, of {other.map_name()}"
            if path.wwid() and found.wwid() == path.wwid():
                return (
                    f"it leads to the disk of {other.map_name()}: the WWID of {found.uri.text} is {found.wwid()}, too"
                )
    return ""
