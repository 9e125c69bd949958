"""budwood lineage: what other programs know of data and jobs, told to the registry as OpenLineage events."""

import json as json_text
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from budwood.cli.face import Json, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.words import count
from budwood.domain.limits import LINEAGE_EVENT_BYTES
from budwood.errors import BadValue, SourceNotFound

app = typer.Typer(
    rich_markup_mode=None,
    help="Lineage that other programs tell: OpenLineage events of jobs and their data.",
    epilog=examples("budwood lineage tell events.ndjson", "budwood lineage tell - --namespace risk < event.json"),
)


@app.command(cls=Command, epilog=examples("budwood lineage tell events.ndjson --namespace risk"))
def tell(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Events, one a line; - is standard input.")],
    namespace: Annotated[str, typer.Option(metavar="NAMESPACE", help="Where; else as each event's job says.")] = "",
    json: Json = False,
) -> None:
    """Keep what OpenLineage events say. Telling the same again changes nothing.

    Programs with an OpenLineage client send to the server's /api/v1/lineage themselves: docs/lineage.md.
    """
    events = edges = 0
    with opened(ctx) as registry:
        for event in _events(file):
            edges += registry.lineage.tell(event, namespace=namespace).edges
            events += 1
    told = f"{count(events, 'event')} told, {count(edges, 'edge')} new."
    answer({"events": events, "edges": edges}, lambda screen: screen.line(told), json=json)


def _events(file: str) -> Iterator[dict[str, Any]]:
    """Raises SourceNotFound, BadValue."""
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as lines:
            number = 0
            while line := lines.readline(LINEAGE_EVENT_BYTES + 1):
                number += 1
                if line.strip():
                    yield _event(line, number)
    except OSError as error:
        raise SourceNotFound(f"{file} cannot be read: {error.strerror}.") from error


def _event(line: bytes, number: int) -> dict[str, Any]:
    try:
        event = json_text.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadValue(f"Line {number} is no JSON.", hint="One event a line.") from error
    if not isinstance(event, dict):
        raise BadValue(f"Line {number} is no event.", hint="One event a line.")
    return event
