"""A reverse proxy on loopback: one site of its own, and the dashboard under a path of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

_ELSEWHERE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nConnection: close\r\n\r\nother"


class Proxy:
    """Passes requests below a path on, unchanged but for one request a connection.

    Args:
        path: such as ``/tools/scope``.
        upstream: port of the dashboard.
    """

    def __init__(self, path: str, upstream: int) -> None:
        self.path = path
        self.upstream = upstream
        self.port = 0
        # What was asked for outside the path.
        self.astray: list[str] = []
        self._open: set[asyncio.StreamWriter] = set()

    async def run(self, started: threading.Event, stop: asyncio.Event) -> None:
        """Serve on a free port until told to stop."""
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await stop.wait()
        server.close()
        for writer in self._open:
            writer.close()
        answering = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*answering, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode("ascii", "replace")
            if target != self.path and not target.startswith(f"{self.path}/"):
                self.astray.append(target)
                writer.write(_ELSEWHERE)
                await writer.drain()
                return
            upstream = await asyncio.open_connection("127.0.0.1", self.upstream)
            self._open.add(upstream[1])
            upstream[1].write(_one_request(head))
            await asyncio.gather(_pipe(reader, upstream[1]), _pipe(upstream[0], writer))
        except (asyncio.IncompleteReadError, OSError):
            return  # one side has gone
        finally:
            writer.close()


def _one_request(head: bytes) -> bytes:
    """The head of a request after which the connection ends, unless it becomes a WebSocket."""
    lines = head.split(b"\r\n")
    if any(line.lower().startswith(b"upgrade:") for line in lines):
        return head
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([kept[0], b"Connection: close", *kept[1:]])


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


@contextmanager
def proxied(path: str, upstream: int) -> Iterator[Proxy]:
    """A proxy that runs beside the test. Args: see :class:`Proxy`."""
    proxy, started, stop = Proxy(path, upstream), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    def serve() -> None:
        with closing(loop):
            loop.run_until_complete(proxy.run(started, stop))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        assert started.wait(10)
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
