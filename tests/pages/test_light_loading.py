"""Scripts that never change are sent compressed, and the page says that it is loading."""

from __future__ import annotations

import asyncio
import gzip
from concurrent.futures import ThreadPoolExecutor

import pytest

from pages.shared.light_loading import LightLoadingMiddleware

SCRIPT = b"const a = 1;" * 1000
STYLES = b'<link rel="stylesheet" href="a.css">'
PAGE = b"<title>Streamlit</title><script src=a.js></script>%s<body>%s</body>" % (
    STYLES,
    b'<div id="root"></div>',
)
LASTING = b"public, immutable, max-age=31536000"


class Server:
    """Answers like Streamlit's; counts how often it was asked."""

    def __init__(self, body, kind, cached, status=200):
        self.body, self.status, self.asked = body, status, 0
        self.headers = [
            (b"content-type", kind),
            (b"cache-control", cached),
            (b"content-length", str(len(body)).encode()),
            (b"etag", b"of the file"),
        ]
        self.broken = None
        self.served = LightLoadingMiddleware(self)

    async def __call__(self, scope, receive, send):
        self.asked += 1
        if scope["path"] == "/layers":
            # Else Streamlit would compress it before it can be changed.
            assert b"accept-encoding" not in dict(scope["headers"])
        await send(
            {"type": "http.response.start", "status": self.status, "headers": list(self.headers)}
        )
        half = len(self.body) // 2
        whole = [(self.body[:half], True), (self.body[half:], False)]
        for piece, more in whole if self.broken is None else self.broken:
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    def get(self, path="/static/js/a.js", **headers):
        """Status, headers and body of an answer."""
        sent = []

        async def send(message):
            sent.append(message)

        asked = [(name.replace("_", "-").encode(), v.encode()) for name, v in headers.items()]
        scope = {"type": "http", "method": "GET", "path": path, "headers": asked}
        # In a thread of its own: tests in a browser leave this one with a running loop.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(lambda: asyncio.run(self.served(scope, None, send))).result()
        body = b"".join(message.get("body", b"") for message in sent[1:])
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        assert int(found["content-length"]) == len(body)
        return sent[0]["status"], found, body


def test_a_script_is_compressed_once():
    server = Server(SCRIPT, b"application/javascript", LASTING)
    for _ in range(3):
        status, headers, body = server.get(accept_encoding="gzip, br")
        assert status == 200 and gzip.decompress(body) == SCRIPT
        assert headers["content-encoding"] == "gzip" and headers["vary"] == "Accept-Encoding"
        assert headers["cache-control"] == LASTING.decode() and "etag" not in headers
    assert server.asked == 1


def test_who_takes_no_compressed_answers_or_a_part_gets_the_file():
    server = Server(SCRIPT, b"text/javascript", LASTING)
    for asked in ({}, {"accept_encoding": "gzip", "range": "bytes=0-9"}):
        _, headers, body = server.get(**asked)
        assert body == SCRIPT and headers["etag"] == "of the file"


def test_what_may_change_or_is_no_text_is_left_alone():
    for kind, cached, status in (
        (b"application/json", b"no-cache", 200),
        (b"font/woff2", LASTING, 200),
        (b"text/css", LASTING, 304),
    ):
        server = Server(SCRIPT, kind, cached, status)
        assert server.get(accept_encoding="gzip")[2] == SCRIPT
        server.get(accept_encoding="gzip")
        assert server.asked == 2


def test_a_downloaded_report_is_left_alone():
    server = Server(PAGE, b"text/html", b"no-cache")
    _, headers, body = server.get("/media/report.html", accept="text/html", accept_encoding="gzip")
    assert body == PAGE and headers["etag"] == "of the file"


def test_the_page_says_what_is_loading_and_is_not_kept():
    server = Server(PAGE, b"text/html; charset=utf-8", b"no-cache")
    for asked in ({}, {"accept_encoding": "gzip"}):
        _, headers, body = server.get("/layers", accept="text/html,*/*", **asked)
        body = gzip.decompress(body) if asked else body
        assert "Steerscope is loading…" in body.decode() and b"<title>Steerscope</title>" in body
        assert "etag" not in headers
        # The styles first: nothing is drawn without them.
        assert body.count(STYLES) == 1 and body.index(STYLES) < body.index(b"<script")
    assert server.asked == 2


@pytest.mark.parametrize("pieces", [[], [(SCRIPT[:100], True)], [(SCRIPT[:100], False)]])
def test_an_answer_that_breaks_off_is_not_kept(pieces):
    server = Server(SCRIPT, b"text/javascript", LASTING)
    server.broken = pieces
    with pytest.raises(IndexError):  # nothing was sent
        server.get(accept_encoding="gzip")
    server.broken = None
    for _ in range(2):
        assert gzip.decompress(server.get(accept_encoding="gzip")[2]) == SCRIPT
    assert server.asked == 2
