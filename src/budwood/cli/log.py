"""budwood log: a model's versions as a family tree."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Limit, Model, answer, exact, note, opened
from budwood.cli.help import examples
from budwood.cli.render_log import draw_family, outside

if TYPE_CHECKING:
    from budwood.client.registry import Registry
    from budwood.domain.results import Family

EPILOG = examples("budwood log encoder", "budwood log encoder --moves", "budwood log risk/encoder --limit 20 --json")


def log(
    ctx: typer.Context,
    model: Model,
    limit: Limit = 100,
    before: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Only versions older than this number.")] = 0,
    moves: Annotated[bool, typer.Option("--moves", help="Also how aliases and stages moved.")] = False,
    json: Json = False,
) -> None:
    """Show a model's versions as a family tree.

    Parents stand above children, the oldest first. ◆ is a version that came from none of this model, ● one that
    came from the version above it in its column.
    """
    with opened(ctx) as registry:
        family = registry.log(model, before=before, limit=limit)
        elsewhere = _parents_elsewhere(registry, family)
    answer(_value(family, elsewhere), lambda screen: draw_family(screen, family, elsewhere, moves=moves), json=json)
    if len(family.versions) == limit and family.versions[-1].number > 1 and not json:
        note(f"There may be older ones: budwood log {model} --before {family.versions[-1].number}")


def _parents_elsewhere(registry: "Registry", family: "Family") -> dict[int, str]:
    """The references of parents that are not on this page: in other models, or older."""
    by_id = {version.id: version for version in family.versions}
    found: dict[int, str] = {}
    for child, parents in outside(family).items():
        if not all(parent in found for parent in parents):
            detail = registry.get(exact(by_id[child])).detail()
            found |= {parent.id: parent.reference for parent in detail.parents}
    return found


def _value(family: "Family", elsewhere: dict[int, str]) -> dict[str, object]:
    """Edges by reference: the row ids they are kept by mean nothing outside."""
    known = {version.id: version.reference for version in family.versions} | elsewhere
    shown = {version.id for version in family.versions}
    return {
        "model": family.model,
        "versions": family.versions,
        "edges": [
            {"child": known[child], "parent": known.get(parent, "")} for child, parent in family.edges if child in shown
        ],
        "computed": [{"version": known[each.version], "text": each.text} for each in family.computed],
        "pointers": family.pointers,
        "moves": family.moves,
    }
