"""What is known about one request and its answer: made by the guard, added to by whoever knows more, read by logs.

It travels in the ASGI scope under ``EXCHANGE``. Nothing in it is a secret: no path, no query, no header, no body.
"""

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

EXCHANGE: Final = "budwood.exchange"


@dataclass(slots=True)
class Exchange:
    """``route`` is a name of the route table, ``code`` that of an error or refusal; empty until somebody knows.

    ``started`` is a reading of the guard's clock, ``seconds`` what passed until the last byte was handed over.
    ``status`` 0: the client went away before an answer began.
    """

    request_id: str
    method: str
    started: float
    client: str = ""
    route: str = ""
    principal: str = ""
    namespace: str = ""
    code: str = ""
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    seconds: float = 0.0
    crash: BaseException | None = None

    @property
    def writes(self) -> bool:
        """Whether the request would have changed something."""
        return self.method not in ("GET", "HEAD", "OPTIONS", "")


Watcher = Callable[[Exchange], None]


def exchange_of(scope: MutableMapping[str, Any]) -> Exchange:
    """The exchange of a request that came through the guard."""
    exchange = scope[EXCHANGE]
    assert isinstance(exchange, Exchange)
    return exchange
