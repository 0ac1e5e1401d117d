"""Addresses: several disks behind one listening socket, told apart by their exports' names.

A socket belongs to the server that came first. Whoever comes through it may list, and choose from, what is offered at this
address, whichever disk it is of, and nothing else; with its choice it becomes a client of that disk's server (Server.take_over).
"""

from hawser.exports.listen_uri import ListenError, ListenUri
from hawser.exports.server import Listener, Server
from hawser.exports.volume import Volume, Volumes


class Addresses:
    """Of one process."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, int], Listener] = {}

    def listen(self, server: Server, uri: ListenUri, volume: Volume) -> str:
        """Offer a volume of `server` at an address: the URI that clients use. ListenError when it cannot be had."""
        address = uri.address()
        listener = self._listeners.get(address) if address is not None else None
        if listener is None:
            listener = server.listen(uri, Volumes())
            if address is not None:
                self._listeners[address] = listener
        elif listener.volumes.find(uri.export) is not None:
            raise ListenError(f"listen {uri.text!r}: there is an export {uri.export!r} at this address already")
        listener.volumes.add(volume)
        return uri.shown(listener.port)
