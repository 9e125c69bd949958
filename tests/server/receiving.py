"""A receiver of webhooks: a real HTTP server that keeps what it was sent and answers as it is told."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

WAIT_S = 20.0


@dataclass(frozen=True)
class Message:
    """What came, its header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """``answer`` gives the status for the path; a test may replace it, or let it wait."""

    port: int = 0
    answer: Callable[[str], int] = lambda _: 204
    messages: list[Message] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def wait(self, count: int) -> list[Message]:
        """The messages, once there are so many."""
        until = time.monotonic() + WAIT_S
        while len(self.messages) < count and time.monotonic() < until:
            time.sleep(0.02)
        assert len(self.messages) >= count, self.messages
        return self.messages


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.messages.append(Message(self.path, headers, body))
            status = receiver.answer(self.path)
            try:
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()
            except OSError:
                return  # The sender did not wait, or is no more.

        def log_message(self, *words: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield receiver
    server.shutdown()
    thread.join()
    server.server_close()
