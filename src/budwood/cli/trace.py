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
    from budwood.domain.trace import Impact, Named, Trace, Traced

TRACE_EPILOG = examples(
    "budwood trace encoder@production", "budwood trace encoder@v1 --down", "budwood trace encoder --dot | dot -Tsvg"
)
IMPACT_EPILOG = examples("budwood impact tickets@v3", "budwood impact encoder@v1 --json | jq '.serving'")

MORE = "There is more than is shown: it goes further than was asked for, or is more than one answer holds."
_KINDS = {"dataset": "data", "job": "job"}
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
        found = registry.impact(ref, depth=depth)
    answer(found, lambda screen: draw_impact(screen, found), json=json)


def draw_trace(screen: Screen, found: "Trace") -> None:
    from budwood.domain.trace import below

    versions = {each.version.id: each for each in found.versions}
    named = {each.id: each for each in found.named}
    leading, drawn = below(found), set[int]()

    def draw(node: int, before: str, mark: str, relation: str) -> None:
        again = node in drawn
        drawn.add(node)
        told = _version(versions[node], relation) if node in versions else _named(named[node])
        screen.lines(f"{before}{mark}{told}{' (above)' if again else ''}", "" if node in versions else "dim")
        edges = () if again else leading.get(node, ())
        inner = before + {"├─ ": "│  ", "└─ ": "   "}.get(mark, "")
        for number, edge in enumerate(edges):
            other = edge.parent if found.direction == "up" else edge.child
            draw(other, inner, "└─ " if number == len(edges) - 1 else "├─ ", plain(edge.relation))

    draw(found.versions[0].version.id, "", "", "")
    if found.cut:
        screen.line(MORE, "dim")


def draw_impact(screen: Screen, found: "Impact") -> None:
    start, rest = found.version, [*found.serving, *found.others]
    if not rest and not found.named:
        screen.line(f"Nothing was made from {start.version.reference}.")
        return
    named = f" and {count(len(found.named), 'thing')} named elsewhere" if found.named else ""
    came = f"{count(len(rest), 'version')}{named} came of {start.version.reference}"
    screen.line(f"{came}; {len(found.serving)} of them serve now.")
    columns = (
        Column("version", style="bold"),
        Column("serves as", style="green"),
        Column("steps", right=True),
        Column("pushed", style="dim"),
        Column("by", spare=True),
    )
    rows = [
        (
            each.version.reference,
            ", ".join(each.pointers) if each.serves else "",
            str(each.depth),
            screen.moment(each.version.created_ms),
            each.version.author,
        )
        for each in rest
    ]
    rows += [(each.text, _KINDS[each.kind], str(each.depth), "", "") for each in found.named]
    screen.table(columns, rows)
    if found.cut:
        screen.line(MORE, "dim")


def _version(each: "Traced", relation: str) -> str:
    standing = f"[{', '.join(each.pointers)}]" if each.pointers else ""
    return " ".join(word for word in (each.version.reference, f"({relation})" if relation else "", standing) if word)


def _named(each: "Named") -> str:
    return f"{plain(each.text)} ({_KINDS[each.kind]})"
