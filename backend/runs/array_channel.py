"""Values with large arrays on their way from one process to another.

A channel takes tens of megabytes in hundreds of parts, for each of which both ends wait for the
other, and for whatever else their threads do. So the arrays go through a file without a name, of
which the channel carries the handle: who receives them reads them where they are.
"""

from __future__ import annotations

import mmap
import os
import pickle
import socket
import tempfile
from multiprocessing.connection import Connection

# Each array begins at a multiple of so many bytes.
ALIGNED = 64


def send_value(channel: Connection, value: object) -> None:
    """Send a value; its arrays are copied once.

    Args:
        channel: a Unix socket, from :func:`backend.lifeline.start_connected`.
        value: anything that can be pickled.

    Raises:
        OSError: the other end is gone, or there is no room for the file.
    """
    parts: list[pickle.PickleBuffer] = []
    rest = pickle.dumps(value, protocol=5, buffer_callback=parts.append)
    arrays = [part.raw() for part in parts]
    with tempfile.TemporaryFile() as file:
        for array in arrays:
            file.write(array)
            file.write(bytes(-array.nbytes % ALIGNED))
        file.flush()
        channel.send((rest, [array.nbytes for array in arrays]))
        with _socket_of(channel) as end:
            socket.send_fds(end, [b"\0"], [file.fileno()])


def receive_value(channel: Connection) -> object:
    """What :func:`send_value` sent.

    Args:
        channel: a Unix socket.

    Raises:
        EOFError: the other end is gone.
        OSError: likewise.
    """
    rest, sizes = channel.recv()
    with _socket_of(channel) as end:
        _, handles, _, _ = socket.recv_fds(end, 1, 1)
    if not handles:
        raise EOFError("the other end is gone")
    with os.fdopen(handles[0], "rb") as file:
        # Changes stay in this process.
        held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if sum(sizes) else b""
    whole, arrays, first = memoryview(held), [], 0
    for size in sizes:
        arrays.append(whole[first : first + size])
        first += size + -size % ALIGNED
    value: object = pickle.loads(rest, buffers=arrays)
    return value


def _socket_of(channel: Connection) -> socket.socket:
    """Another handle of the same socket, to be closed by itself."""
    return socket.fromfd(channel.fileno(), socket.AF_UNIX, socket.SOCK_STREAM)
