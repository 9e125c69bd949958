"""What a route about people or gates is given, wherever it is asked, and how its answer is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from budwood.domain.access import Caller
from budwood.domain.routes.versions import NEWEST
from budwood.verbs.house import House


@dataclass(frozen=True, slots=True)
class Asked:
    """``house`` is the registry as the caller may see it, ``whole`` all of it: for routes whose permission was asked
    before. ``by`` is who asks, ``token_id`` what they came with. ``expected`` is the mark that a change was based
    on ("" asks nothing). ``secret`` makes a fresh one. ``beside`` is all of the registry again, for writes that are
    not what is answered: a lease, a scan."""

    house: House
    whole: House
    by: Caller
    holes: Mapping[str, str]
    query: Any
    body: Any
    secret: Callable[[], str]
    expected: str = ""
    token_id: str = ""
    beside: House | None = None

    @property
    def model(self) -> str:
        """The model of the address, as a reference to its newest version."""
        return f"{self.holes['namespace']}/{self.holes['model']}"

    @property
    def reference(self) -> str:
        """The version of the address."""
        selector = self.holes["selector"]
        return self.model if selector == NEWEST else f"{self.model}@{selector}"


def same(value: Any) -> Any:
    """What was returned is what is answered."""
    return value


def no_mark(answer: Any) -> str:
    """It is not edited, and so has no mark."""
    return ""


@dataclass(frozen=True, slots=True)
class Deed:
    """``made`` turns what the verb returns into the route's answer, ``mark`` gives an answer's mark, and ``kept`` is
    what of an answer may be kept for whoever asks again with the same key: never a secret.

    ``long``: it may take minutes. ``several``: it writes in several transactions, and to do it again does no harm."""

    run: Callable[[Asked], Any]
    made: Callable[[Any], Any] = same
    mark: Callable[[Any], str] = no_mark
    kept: Callable[[Any], Any] = same
    long: bool = False
    several: bool = False
