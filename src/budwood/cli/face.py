"""What every command shares: the options before it, the registry they name, and how it answers.

A command opens the registry, asks one verb, and hands the result to ``answer``. Everything heavy is imported
here, inside functions, when a command really runs: ``budwood --help`` must come at once.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.failures import PIPE_CLOSED
from budwood.cli.screen import Screen
from budwood.errors import BadValue

if TYPE_CHECKING:
    from budwood.client.registry import Registry
    from budwood.domain.records import VersionRecord

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Ref = Annotated[
    str, typer.Argument(metavar="REF", help="A version: encoder@1.2.0, encoder@v7, encoder@champion; or its newest.")
]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model: encoder, or namespace/encoder.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")]


@dataclass(slots=True)
class Typed:
    """The options before the command."""

    registry: str = ""
    debug: bool = False


@contextlib.contextmanager
def opened(ctx: typer.Context, *, create: bool = False, author: str = "") -> "Iterator[Registry]":
    """The registry that the options, the settings or the folder name; said aloud when it was made just now."""
    from budwood.wiring import connect

    typed = ctx.find_object(Typed) or Typed()
    with connect(typed.registry or None, author=author, create=create) as registry:
        if registry.made:
            note(f"Made a new registry at {registry.place}")
        yield registry


def answer(value: object, draw: Callable[[Screen], None], *, json: bool) -> None:
    """Print the result: ``value`` as JSON, or what ``draw`` draws."""
    try:
        if json:
            from budwood.cli.as_json import document

            sys.stdout.write(document(value) + "\n")
        else:
            draw(Screen())
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as in 'budwood list | head -1'.
        raise typer.Exit(PIPE_CLOSED) from None


def note(text: str) -> None:
    """Something beside the answer, for the person who watches."""
    Screen(sys.stderr).line(text)


def key_values(pairs: Sequence[str], what: str) -> dict[str, str]:
    """``k=v`` options as a mapping. Raises BadValue."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise BadValue(f"{pair!r} is not a {what}.", hint=f"Write KEY=VALUE, for example {_EXAMPLES[what]}.")
        if key in found:
            raise BadValue(f"The {what} {key!r} is given twice.", hint=f"Keep one --{what} {key}=….")
        found[key] = value
    return found


def exact(version: "VersionRecord") -> str:
    """A reference that cannot come to mean another version while we work."""
    return f"{version.namespace}/{version.model}@v{version.number}"


def named(version: "VersionRecord") -> str:
    """encoder@1.1.0 (v2), or encoder@v2 where there is no label."""
    return f"{version.reference} (v{version.number})" if version.label else version.reference


_EXAMPLES = {
    "claim": "repository_owner_id=42",
    "detail": "tool=garak",
    "metric": "accuracy=0.91",
    "parameter": "epochs=3",
    "tag": "team=risk",
    "weight": "canary=5%",
}
