"""budwood trace and impact: where a version came from, and what came of it."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Ref, answer, opened
from budwood.cli.help import examples
from budwood.cli.plain import plain
from budwood.cli.screen import Column, Screen
from budwood.cli.words import count

if TYPE_CHECKING:
    from budwood.domain.trace import Trace, Traced

TRACE_EPILOG = examples(
    "budwood trace encoder@production", "budwood trace encoder@v1 --down", "budwood trace encoder --dot | dot -Tsvg"
)
IMPACT_EPILOG = examples("budwood impact tickets@v3", "budwood impact encoder@v1 --json | jq '.serving'")

Depth = Annotated[int, typer.Option("--depth", min=1, max=50, help="At most so many steps.")]


def trace(
    ctx: typer.Context,
    ref: Ref,
    down: Annotated[bool, typer.Option("--down", help="What was made from it, not what it was made from.")] = False,
    depth: Depth = 50,
    dot: Annotated[bool, typer.Option("--dot", help="Print it for Graphviz.")] = False,
    json: Json = False,
) -> None:
    """Show where a version came from, as a tree: its parents, theirs, and the data they name.

    What is shown twice is drawn out once. Aliases and stages that point at a version now stand beside it.
    """
    with opened(ctx) as registry:
        found = registry.trace(ref, "down" if down else "up", depth=depth)
    if dot and not json:
        from budwood.domain.trace import dot as written

        sys.stdout.write(written(found))
        return
    answer(found, lambda screen: draw_trace(screen, found), json=json)


def impact(ctx: typer.Context, ref: Ref, depth: Depth = 50, json: Json = False) -> None:
    """List everything that was made from a version, what serves somebody now first.

    For recalls: of a dataset with an error in it, or a base model that must not be used any more.
    """
    with opened(ctx) as registry:
        found = registry.trace(ref, "down", depth=depth)
    value = {"version": found.versions[0], "serving": found.serving, "all": found.versions[1:], "cut": found.cut}
    answer(value, lambda screen: draw_impact(screen, found), json=json)


def draw_trace(screen: Screen, found: "Trace") -> None:
    from budwood.domain.trace import below

    by_id = {each.version.id: each for each in found.versions}
    leading, drawn = below(found), set[int]()

    def draw(version_id: int, before: str, mark: str, relation: str) -> None:
        each, again = by_id[version_id], version_id in drawn
        drawn.add(version_id)
        words = [
            each.version.reference,
            f"({relation})" if relation else "",
            _standing(each),
            "(above)" if again else "",
        ]
        screen.lines(f"{before}{mark}{' '.join(word for word in words if word)}")
        if again:
            return
        inner = before + {"├─ ": "│  ", "└─ ": "   "}.get(mark, "")
        edges = leading.get(version_id, ())
        for number, edge in enumerate(edges):
            last = number == len(edges) - 1 and not each.datasets
            other = edge.parent if found.direction == "up" else edge.child
            draw(other, inner, "└─ " if last else "├─ ", edge.relation)
        for number, name in enumerate(each.datasets):
            screen.lines(f"{inner}{'└─ ' if number == len(each.datasets) - 1 else '├─ '}{plain(name)} (data)", "dim")

    draw(found.versions[0].version.id, "", "", "")
    if found.cut:
        screen.line("There is more than is shown: it goes further than was asked for.", "dim")


def draw_impact(screen: Screen, found: "Trace") -> None:
    start, *rest = found.versions
    if not rest:
        screen.line(f"Nothing was made from {start.version.reference}.")
        return
    serving = found.serving
    screen.line(f"{count(len(rest), 'version')} came of {start.version.reference}; {len(serving)} of them serve now.")
    columns = (
        Column("version", style="bold"),
        Column("serves as", style="green"),
        Column("steps", right=True),
        Column("pushed", style="dim"),
        Column("by", spare=True),
    )
    idle = [each for each in rest if not each.serves]
    rows = [
        (
            each.version.reference,
            ", ".join(each.pointers) if each.serves else "",
            str(each.depth),
            screen.moment(each.version.created_ms),
            each.version.author,
        )
        for each in (*serving, *idle)
    ]
    screen.table(columns, rows)
    if found.cut:
        screen.line("There is more than is shown: it goes further than was asked for.", "dim")


def _standing(each: "Traced") -> str:
    return f"[{', '.join(each.pointers)}]" if each.pointers else ""
