"""What was seen of the versions that answer: ``endpoint observe``, ``rollout disagreements``, ``rollout report``."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from budwood.cli.endpoint import Name, Place, written
from budwood.cli.face import Json, answer, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen

if TYPE_CHECKING:
    from budwood.domain.asks_observations import AbReport, DisagreementPage
    from budwood.domain.observations.report import Told

Number = Annotated[int, typer.Option("--number", min=0, help="One of its rollouts; else the newest.")]
_MARKS: Final = {"better": "✔ better", "worse": "✘ worse", "unclear": "· unclear"}


def add_to(endpoint: typer.Typer, rollout: typer.Typer) -> None:
    """The commands, where they belong."""
    endpoint.command(cls=Command, epilog=examples("budwood endpoint observe fraud bought.jsonl"))(observe)
    rollout.command(
        cls=Command,
        epilog=examples("budwood rollout disagreements fraud", "budwood rollout disagreements fraud --limit 10 --json"),
    )(disagreements)
    rollout.command(cls=Command, epilog=examples("budwood rollout report fraud --by country"))(report)


def observe(
    ctx: typer.Context,
    endpoint: Name,
    file: Annotated[str, typer.Argument(metavar="FILE", help="JSON lines; - is standard input.")],
    namespace: Place = "default",
    json: Json = False,
) -> None:
    """Tell what was seen of users or requests later. Each line is {"metric": ..., "user": ..., "value": ...}."""
    from budwood.domain.asks_observations import TakenIn
    from budwood.domain.limits import OBSERVATIONS_AT_ONCE

    lines = [line for line in written(file).splitlines() if line.strip()]
    kept = garbled = 0
    with opened(ctx) as registry:
        for start in range(0, len(lines), OBSERVATIONS_AT_ONCE):
            done = registry.endpoints.observe_lines(
                endpoint, lines[start : start + OBSERVATIONS_AT_ONCE], namespace=namespace
            )
            kept, garbled = kept + done.kept, garbled + done.garbled
    said = f"{kept} observations were kept" + (f"; {garbled} lines are none." if garbled else ".")
    answer(TakenIn(kept, garbled), lambda screen: screen.line(said), json=json)


def disagreements(
    ctx: typer.Context,
    endpoint: Name,
    number: Number = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    after: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Only those after this one.")] = 0,
    namespace: Place = "default",
    json: Json = False,
) -> None:
    """List what a shadow answered differently, with the inputs."""
    with opened(ctx) as registry:
        page = registry.rollouts.disagreements(endpoint, number, after=after, limit=limit, namespace=namespace)
    answer(page, lambda screen: draw_disagreements(screen, page), json=json)


def report(
    ctx: typer.Context,
    endpoint: Name,
    number: Number = 0,
    by: Annotated[str, typer.Option("--by", metavar="FIELD", help="Divide by a field of the observations.")] = "",
    namespace: Place = "default",
    json: Json = False,
) -> None:
    """Show what an A/B test came to. Effect, interval, power, and whether it is enough."""
    with opened(ctx) as registry:
        found = registry.rollouts.report(endpoint, number, segment=by, namespace=namespace)
    answer(found, lambda screen: draw_report(screen, found), json=json)


def draw_disagreements(screen: Screen, page: "DisagreementPage") -> None:
    """One after another: how they differ, what was asked, and both answers."""
    if not page.disagreements:
        screen.line("No pair that was compared differs.")
    for each in page.disagreements:
        screen.heading(f"{each.number}  {each.detail}")
        screen.pairs(
            (
                ("request", f"{each.request}, {screen.moment(each.at_ms)}"),
                ("asked", each.asked),
                ("baseline", f"{each.baseline} in {each.baseline_us / 1_000:.1f} ms"),
                ("candidate", f"{each.candidate} in {each.candidate_us / 1_000:.1f} ms"),
            )
        )
    if page.next:
        screen.line(f"More: --after {page.next}")


def draw_report(screen: Screen, found: "AbReport") -> None:
    """The answer of each metric first, then the figures."""
    screen.heading(f"{found.endpoint}: {found.candidate} against {found.baseline}, {found.state}")
    if not found.metrics:
        screen.line("Its plan watches no metric.")
    columns = (
        *(Column("UNITS"), Column("CANDIDATE", right=True), Column("BASELINE", right=True)),
        *(Column("EFFECT", right=True), Column("INTERVAL"), Column("POWER", right=True), Column("SAYS")),
    )
    for each in found.metrics:
        screen.line(f"{each.metric} ({each.kind}, level {each.level:.2%}): {each.enough}")
        screen.table(columns, [_row(one) for one in (each.overall, *each.segments)], indent="  ")
    if found.ratio:
        screen.line(f"sample ratio: {'holds' if found.ratio_holds else 'does not hold'}; {found.ratio}")
    if found.lost:
        screen.line(f"{found.lost} observations belong to nobody who came.")


def _row(told: "Told") -> tuple[str, ...]:
    units = f"{told.segment or 'all'}: {told.candidate_units:,} and {told.baseline_units:,}"
    means = (f"{told.candidate:.4g}", f"{told.baseline:.4g}")
    if told.effect is None or told.low is None or told.high is None or told.power is None:
        return (units, *means, "–", "too few", "–", _MARKS[told.says])
    interval = f"{told.low:+.4g} to {told.high:+.4g}"
    return (units, *means, f"{told.effect:+.4g}", interval, f"{told.power:.0%}", _MARKS[told.says])
