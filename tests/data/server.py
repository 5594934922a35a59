"""A server on this machine that serves files as servers in the world do: well, or breaking off, wrong, lying about lengths."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MANNERS = (
    "good",
    "breaks",  # closes the connection after 1,000 bytes of every answer
    "breaks once",
    "ignores ranges",  # and breaks off once
    "wrong bytes",
    "says too much",  # a Content-Length of 100 bytes more than it has
    "says too little",
    "says nothing",  # no Content-Length, and breaks off nowhere
    "missing",
    "busy twice",
    "other range",  # answers 206 with other bytes than those asked for
)
BROKEN_AT = 1000


@dataclass
class Served:
    """What is served, how, and what was asked for."""

    files: dict[str, bytes]
    manner: str = "good"
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path and Range
    address: str = ""


@contextmanager
def serving(files: dict[str, bytes], manner: str = "good") -> Iterator[Served]:
    """`files` by their path, on a port of this machine's own."""
    served = Served(files, manner)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            served.asked.append((self.path, self.headers.get("Range")))
            answer(self, served)
            self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.address = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(request: BaseHTTPRequestHandler, served: Served) -> None:
    manner, content = served.manner, served.files.get(request.path.lstrip("/"))
    tries = len(served.asked)
    if content is None or manner == "missing":
        return request.send_error(404)
    if manner == "busy twice" and tries <= 2:
        return request.send_error(503)
    if manner == "wrong bytes":
        content = bytes(len(content))
    asked = request.headers.get("Range")
    start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and manner != "ignores ranges" else 0
    if start and start >= len(content):
        request.send_response(416)
        request.send_header("Content-Range", f"bytes */{len(content)}")
        request.send_header("Content-Length", "0")
        return request.end_headers()
    shift = {"says too much": 100, "says too little": -100}.get(manner, 0)
    request.send_response(206 if start else 200)
    if start:
        first = start + 7 if manner == "other range" else start
        request.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content) + shift}")
    if manner != "says nothing":
        request.send_header("Content-Length", str(len(content) - start + shift))
    request.end_headers()
    breaks = manner in ("breaks", "other range") or (manner in ("breaks once", "ignores ranges") and tries == 1)
    request.wfile.write(content[start : start + BROKEN_AT] if breaks else content[start:])
    return None
