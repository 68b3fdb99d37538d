"""For slow connections: scripts and styles are compressed, and a page says that it is loading.

Streamlit sends its scripts and styles uncompressed, three times as large: it expects a proxy in
front of it, and this server mostly has none. They never change, as their names hold a hash of their
content, so each is compressed once and kept. The page is empty until the scripts run; here it says
what is loading.
"""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Of gzip's nine levels: 0.1 s for the largest script, and the highest gains 4% in three times that.
_LEVEL = 4
_TEXTS = ("text/javascript", "application/javascript", "text/css")
_ROOT = b'<div id="root"></div>'
# React replaces what is inside the root element when it draws for the first time.
_LOADING = (
    b'<div id="root"><style>:root { color-scheme: light dark; }</style>'
    b'<p style="font: 16px system-ui, sans-serif; text-align: center; margin-top: 30vh">'
    b"Steerscope is loading\xe2\x80\xa6</p></div>"
)
_STYLES = re.compile(rb'<link rel="stylesheet"[^>]*>')
_TITLES = (b"<title>Streamlit</title>", b"<title>Steerscope</title>")


@dataclass(frozen=True)
class _Answer:
    """A whole answer. Attributes: status, headers as ASGI has them, and body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    async def give(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": list(self.headers),
            }
        )
        await send({"type": "http.response.body", "body": self.body})


class LightLoadingMiddleware:
    """Compresses what never changes, and fills the page that is empty until its scripts run.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # By path: no more than Streamlit has files.
        self._kept: dict[str, _Answer] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        compressed = "gzip" in asked.get("accept-encoding", "") and "range" not in asked
        kept = self._kept.get(scope["path"]) if compressed else None
        if kept is not None:
            await kept.give(send)
            return
        # A download, such as a report, is left as it is.
        page = "text/html" in asked.get("accept", "") and "/media/" not in scope["path"]
        if page:
            # Streamlit compresses the page under some of its addresses; it is changed before that.
            plain = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
            scope = {**scope, "headers": plain}
        taken = _Taken(send, compressed=compressed, page=page)
        await self._app(scope, receive, taken.take)
        # An answer that breaks off, as when its browser is gone, is nothing to keep or to send.
        if taken.change is not None and taken.whole:
            answer = await asyncio.to_thread(taken.change, taken.answer())
            if taken.lasting:
                self._kept[scope["path"]] = answer
            await answer.give(send)


class _Taken:
    """An answer on its way: passed on piece by piece, or held back where it is to be changed.

    Args:
        send: where it goes.
        compressed: whether the browser takes compressed answers.
        page: whether the browser asks for a page, which is then shown.

    Attributes:
        change: what is to become of it; None where it has been passed on.
        lasting: whether it is the same for ever.
        ended: whether its last piece has come.
    """

    def __init__(self, send: Send, *, compressed: bool, page: bool) -> None:
        self._send, self._compressed, self._page = send, compressed, page
        self._start: Message = {}
        self._pieces: list[bytes] = []
        self.change: Callable[[_Answer], _Answer] | None = None
        self.lasting = False
        self.ended = False

    @property
    def whole(self) -> bool:
        """Whether all of it is here, as long as its head says."""
        said = Headers(raw=self._start["headers"]).get("content-length")
        count = sum(map(len, self._pieces))
        return self.ended and (said is None or said == str(count))

    async def take(self, message: Message) -> None:
        """One message of the answer."""
        if message["type"] == "http.response.start":
            self._start = message
            self._judge(message)
        if self.change is None:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._pieces.append(message.get("body", b""))
            self.ended = not message.get("more_body", False)

    def _judge(self, start: Message) -> None:
        headers = Headers(raw=start["headers"])
        if start["status"] != 200 or "content-encoding" in headers:
            return
        kind = headers.get("content-type", "").split(";")[0]
        self.lasting = "immutable" in headers.get("cache-control", "") and kind in _TEXTS
        if self.lasting and self._compressed:
            self.change = _smaller
        elif self._page and kind == "text/html":
            self.change = _small_greeting if self._compressed else _greeting

    def answer(self) -> _Answer:
        """All of it, once it has come."""
        return _Answer(self._start["status"], tuple(self._start["headers"]), b"".join(self._pieces))


def _smaller(answer: _Answer) -> _Answer:
    body = gzip.compress(answer.body, _LEVEL, mtime=0)
    return _with(answer, body, {"content-encoding": "gzip", "vary": "Accept-Encoding"})


def _greeting(answer: _Answer) -> _Answer:
    body = answer.body.replace(_ROOT, _LOADING).replace(*_TITLES)
    # Nothing is drawn before the styles are there, so they do not queue behind fifty scripts.
    styles = b"".join(_STYLES.findall(body))
    body = _STYLES.sub(b"", body).replace(b"<script", styles + b"<script", 1)
    return _with(answer, body, {})


def _small_greeting(answer: _Answer) -> _Answer:
    return _smaller(_greeting(answer))


def _with(answer: _Answer, body: bytes, values: dict[str, str]) -> _Answer:
    """The answer with another body, which the file's own tags say nothing of."""
    headers = MutableHeaders(raw=list(answer.headers))
    for name in ("etag", "last-modified"):
        del headers[name]
    headers.update(values | {"content-length": str(len(body))})
    return _Answer(answer.status, tuple(headers.raw), body)
