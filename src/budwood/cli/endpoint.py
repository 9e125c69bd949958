"""budwood endpoint: where traffic for a model arrives, and which versions answer it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, note, opened
from budwood.cli.help import Command, examples
from budwood.cli.screen import Column, Screen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from budwood.domain.asks_delivery import Answered, EndpointShown, EndpointUsage, Observed
    from budwood.domain.traffic.endpoint import Arm
    from budwood.domain.traffic.records import ClientRecord

app = typer.Typer(
    rich_markup_mode=None,
    help="Endpoints: where traffic for a model arrives, and which versions answer how much of it.",
    epilog=examples(
        "budwood endpoint put fraud.yaml",
        "budwood endpoint show fraud",
        "budwood endpoint split fraud stable=95% canary=5%",
        "budwood endpoint back fraud --reason 'Errors went up'",
    ),
)

clients = typer.Typer(
    rich_markup_mode=None,
    help="Clients: who may ask an endpoint by a key.",
    epilog=examples("budwood endpoint client add fraud acme", "budwood endpoint client list fraud"),
)
app.add_typer(clients, name="client")

Name = Annotated[str, typer.Argument(metavar="ENDPOINT", help="Its name.")]
Place = Annotated[str, typer.Option("--namespace", metavar="NAMESPACE", help="Where it is.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for those who read it later.")]
Expected = Annotated[
    int, typer.Option("--if-generation", min=0, help="Only if this generation is still in force; 0 asks nothing.")
]


@app.command(
    cls=Command,
    epilog=examples(
        "budwood endpoint put fraud.yaml",
        "budwood endpoint put - < fraud.yaml",
        "budwood endpoint put fraud.yaml --ca stable=authority.pem",
    ),
)
def put(
    ctx: typer.Context,
    document: Annotated[str, typer.Argument(metavar="FILE", help="The document, in YAML; - reads standard input.")],
    ca: Annotated[
        list[str] | None,
        typer.Option("--ca", metavar="ARM=FILE", help="Who may vouch for an arm's https backends: written as tls.ca."),
    ] = None,
    namespace: Place = "default",
    if_generation: Expected = 0,
    json: Json = False,
) -> None:
    """Make an endpoint, or change it. Its split moves only where the document says another than before."""
    text = with_files(written(document), ca or [])
    with opened(ctx) as registry:
        shown = registry.endpoints.put(text, namespace=namespace, expected=str(if_generation or ""))
    answer(shown, lambda screen: draw_endpoint(screen, shown), json=json)


@app.command("list", cls=Command, epilog=examples("budwood endpoint list"))
def list_(ctx: typer.Context, namespace: Place = "default", json: Json = False) -> None:
    """List the endpoints of a namespace, and where each stands."""
    with opened(ctx) as registry:
        found = registry.endpoints.list(namespace)
    answer({"endpoints": found}, lambda screen: draw_endpoints(screen, found), json=json)


@app.command(
    cls=Command, epilog=examples("budwood endpoint show fraud", "budwood endpoint show fraud --at 2026-11-05T14:30Z")
)
def show(
    ctx: typer.Context,
    endpoint: Name,
    namespace: Place = "default",
    at: Annotated[str, typer.Option(metavar="TIME", help="What was in force then.")] = "",
    json: Json = False,
) -> None:
    """Show where an endpoint stands, or stood at a moment. Its arms, the split, since when and by whose word."""
    with opened(ctx) as registry:
        shown = registry.endpoints.show(endpoint, namespace=namespace, at_ms=moment(at))
    answer(shown, lambda screen: draw_endpoint(screen, shown), json=json)


@app.command(
    cls=Command,
    epilog=examples(
        "budwood endpoint split fraud stable=95% canary=5%",
        "budwood endpoint split fraud stable=100% --reason 'The test is over'",
    ),
)
def split(
    ctx: typer.Context,
    endpoint: Name,
    weights: Annotated[list[str], typer.Argument(metavar="ARM=PERCENT...", help="Percentages that add up to 100.")],
    namespace: Place = "default",
    reason: Reason = "",
    if_generation: Expected = 0,
    json: Json = False,
) -> None:
    """Move traffic between the arms. Users of a sticky endpoint keep their arm, but for the part that moves."""
    wanted = points_of(weights)
    with opened(ctx) as registry:
        expected = str(if_generation or "")
        shown = registry.endpoints.split(endpoint, wanted, reason, namespace=namespace, expected=expected)
    answer(shown, lambda screen: draw_endpoint(screen, shown), json=json)


@app.command(cls=Command, epilog=examples("budwood endpoint back fraud --reason 'Errors went up'"))
def back(
    ctx: typer.Context,
    endpoint: Name,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="What happened.")],
    namespace: Place = "default",
    json: Json = False,
) -> None:
    """Send everything to the baseline at once. Nobody is asked, and a rollout that runs ends."""
    with opened(ctx) as registry:
        shown = registry.endpoints.back(endpoint, reason, namespace=namespace)
    answer(shown, lambda screen: draw_endpoint(screen, shown), json=json)


@app.command(cls=Command, epilog=examples("budwood endpoint remove fraud"))
def remove(ctx: typer.Context, endpoint: Name, namespace: Place = "default", json: Json = False) -> None:
    """Take an endpoint away. Its history stays."""
    with opened(ctx) as registry:
        shown = registry.endpoints.remove(endpoint, namespace=namespace)
    answer(shown, lambda screen: screen.line(f"Removed {endpoint}; its history stays."), json=json)


@app.command(
    cls=Command, epilog=examples("budwood endpoint usage texts", "budwood endpoint usage texts --at 2026-11-05")
)
def usage(
    ctx: typer.Context,
    endpoint: Name,
    namespace: Place = "default",
    at: Annotated[str, typer.Option(metavar="TIME", help="In the period of that moment instead.")] = "",
    json: Json = False,
) -> None:
    """Show how many tokens each tenant used in this period."""
    with opened(ctx) as registry:
        found = registry.endpoints.usage(endpoint, namespace=namespace, at_ms=moment(at))
    answer(found, lambda screen: draw_usage(screen, found), json=json)


Client = Annotated[str, typer.Argument(metavar="NAME", help="The client's name; its requests' tenant.")]


@clients.command("add", cls=Command, epilog=examples("budwood endpoint client add fraud acme"))
def add_client(
    ctx: typer.Context, endpoint: Name, name: Client, namespace: Place = "default", json: Json = False
) -> None:
    """Draw a key for a new client. It is shown this once."""
    with opened(ctx) as registry:
        made = registry.endpoints.add_client(endpoint, name, namespace=namespace)
    answer(made, lambda screen: screen.line(made.key), json=json)
    if not json:
        note(f"With it, {name} may ask {endpoint}. It is not shown again.")


@clients.command("list", cls=Command, epilog=examples("budwood endpoint client list fraud"))
def list_clients(ctx: typer.Context, endpoint: Name, namespace: Place = "default", json: Json = False) -> None:
    """List who may ask an endpoint by a key."""
    with opened(ctx) as registry:
        found = registry.endpoints.clients(endpoint, namespace=namespace)
    answer(found, lambda screen: draw_clients(screen, endpoint, found.clients), json=json)


@clients.command("remove", cls=Command, epilog=examples("budwood endpoint client remove fraud acme"))
def remove_client(
    ctx: typer.Context, endpoint: Name, name: Client, namespace: Place = "default", json: Json = False
) -> None:
    """Take a client's key away."""
    with opened(ctx) as registry:
        left = registry.endpoints.remove_client(endpoint, name, namespace=namespace)
    answer(left, lambda screen: screen.line(f"The key of {name} opens {endpoint} no more."), json=json)


def which(
    ctx: typer.Context,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="The x-request-id of an answer.")] = "",
    by_name: Annotated[str, typer.Option("--request", metavar="REQUEST", help="The same.")] = "",
    namespace: Place = "default",
    json: Json = False,
) -> None:
    """Tell which version answered a request, and what stood behind it."""
    from budwood.errors import BadValue

    if bool(request) is bool(by_name):
        raise BadValue("One request is asked for.", hint="Give the x-request-id of an answer, once.")
    with opened(ctx) as registry:
        found = registry.endpoints.which(request or by_name, namespace=namespace)
    answer(found, lambda screen: draw_answered(screen, found), json=json)


def serving(
    ctx: typer.Context,
    endpoint: Name,
    at: Annotated[str, typer.Option("--at", metavar="TIME", help="When: 2026-11-05T14:30Z; else now.")] = "",
    namespace: Place = "default",
    json: Json = False,
) -> None:
    """Tell what an endpoint served at a moment, and what stood behind each version."""
    from budwood.cli.draw_serving import draw_serving

    with opened(ctx) as registry:
        found = registry.endpoints.serving(endpoint, namespace=namespace, at_ms=moment(at))
    answer(found, lambda screen: draw_serving(screen, found), json=json)


SERVING_EPILOG = examples("budwood serving fraud", "budwood serving fraud --at 2026-11-05T14:30Z")
WHICH_EPILOG = examples("budwood which 0f8fad5b-d9cb-469f-a165-70867728950e")


def with_files(text: str, asked: "Sequence[str]") -> str:
    """The document with what lies in the files of authorities, each ARM=FILE. Raises BadValue, SourceNotFound."""
    from budwood.errors import BadValue
    from budwood.verbs.serving import with_authorities

    pairs = [each.partition("=") for each in asked]
    if not all(arm and file for arm, _, file in pairs):
        raise BadValue("--ca names no arm, or no file.", hint="Write --ca stable=ca.pem.")
    return with_authorities(text, {arm: written(file) for arm, _, file in pairs}) if pairs else text


def written(path: str) -> str:
    """A document, from a file or standard input. Raises SourceNotFound."""
    import sys

    from budwood.errors import SourceNotFound

    if path == "-":
        return sys.stdin.read()
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceNotFound(f"{path} cannot be read.", hint="Give a file with the document, in YAML.") from error


def moment(text: str) -> int:
    """Milliseconds since the epoch; 0 for nothing. Raises BadValue."""
    from budwood.domain.moment import parse_moment
    from budwood.errors import BadValue

    if not text:
        return 0
    at_ms = parse_moment(text)
    if at_ms is None:
        raise BadValue(f"{text!r} is not a time.", hint="Write 2026-11-05T14:30Z, or 2026-11-05.")
    return at_ms


def points_of(weights: "Sequence[str]") -> dict[str, int]:
    """``ARM=PERCENT`` as basis points. Raises BadSplit, BadValue."""
    from budwood.cli.face import key_values
    from budwood.domain.document import Reader
    from budwood.errors import BadSplit

    reader = Reader(BadSplit)
    return {arm: reader.points(f"{text.rstrip('%')}%", arm) for arm, text in key_values(weights, "weight").items()}


def split_text(split: "Mapping[str, int]") -> str:
    """95 % stable, 5 % canary."""
    return ", ".join(f"{points / 100:g} % {arm}" for arm, points in split.items())


def observed_lines(observed: "Sequence[Observed]") -> "Iterator[str]":
    """What each gateway does, beside what is wanted of it."""
    for each in observed:
        state = "" if each.connected else ", and is not connected"
        said = f"gateway {each.gateway} sends {split_text(each.split)} (generation {each.generation}){state}"
        yield f"{said}. {each.refused}" if each.refused else said


def draw_endpoints(screen: Screen, found: "Sequence[EndpointShown]") -> None:
    """One line each."""
    if not found:
        screen.line("There is no endpoint here. Make one: budwood endpoint put FILE")
        return
    columns = (
        *(Column("ENDPOINT"), Column("MODEL"), Column("SPLIT", elastic=True), Column("GENERATION", right=True)),
        *(Column("SINCE"), Column("BY", spare=True), Column("NOW")),
    )
    rows = [
        (
            each.name,
            each.body.model,
            split_text(each.split),
            str(each.generation),
            screen.moment(each.since_ms),
            each.actor,
            _now(each),
        )
        for each in found
    ]
    screen.table(columns, rows)


def draw_endpoint(screen: Screen, shown: "EndpointShown") -> None:
    """What serves first, then the rest."""
    screen.heading(f"{shown.name} serves {shown.body.model}: {split_text(shown.split)}")
    since = f"generation {shown.generation}, {screen.moment(shown.since_ms)}, by {shown.actor}"
    screen.line(since + (f": {shown.reason}" if shown.reason else ""))
    if now := _now(shown):
        screen.line(now, style="bold")
    columns = (
        Column("ARM"),
        Column("VERSION"),
        Column("PART", right=True),
        Column("BACKENDS", elastic=True),
        Column(""),
    )
    rows = []
    for arm in shown.body.arms:
        backends = ", ".join(f"{'https' if each.tls else 'http'}://{each.host}:{each.port}" for each in arm.backends)
        mark = "baseline" if arm.name == shown.body.baseline else "hears copies only" if arm.shadow_only else ""
        part = f"{shown.split.get(arm.name, 0) / 100:g} %"
        rows.append((arm.name, f"v{arm.number}", part, backends, mark))
    screen.table(columns, rows)
    for arm in shown.body.arms:
        if line := trust_line(arm):
            screen.line(line)
    for line in observed_lines(shown.observed):
        screen.line(line)


def trust_line(arm: "Arm") -> str:
    """What people should know of an arm's certificates; empty where its gateways' machines know whom to believe."""
    if not arm.trust.is_checked:
        return f"WARNING: certificates of {arm.name} are not checked (tls.verify: false); anybody may answer for it."
    return f"Certificates of {arm.name} are checked against its own authorities (tls.ca)." if arm.trust.ca else ""


def draw_clients(screen: Screen, endpoint: str, found: "Sequence[ClientRecord]") -> None:
    """One line each."""
    if not found:
        screen.line(f"Nobody has a key. Draw one: budwood endpoint client add {endpoint} NAME")
        return
    rows = [(each.name, screen.moment(each.created_ms), each.author) for each in found]
    screen.table((Column("CLIENT", elastic=True), Column("SINCE"), Column("BY")), rows)


def draw_usage(screen: Screen, found: "EndpointUsage") -> None:
    """One line a tenant."""
    if not found.tenants:
        screen.line(f"Nobody used tokens of {found.name} that are counted: it has no quota, or nobody asked.")
        return
    columns = (
        *(Column("TENANT", elastic=True), Column("TOKENS", right=True), Column("OF", right=True)),
        *(Column("UNTIL"), Column("")),
    )
    rows = [
        (
            each.tenant or "all",
            f"{each.tokens:,}".replace(",", " "),
            f"{each.limit:,}".replace(",", " ") if each.limit else "",
            screen.moment(each.until_ms),
            "refused" if each.refused else "",
        )
        for each in found.tenants
    ]
    screen.table(columns, rows)


def draw_answered(screen: Screen, found: "Answered") -> None:
    """The answer, then what stood behind it."""
    screen.heading(f"{found.version or 'No version'} answered, with {found.code}")
    screen.pairs(
        (
            ("request", found.request),
            ("when", screen.moment(found.at_ms)),
            ("endpoint", f"{found.endpoint}, generation {found.generation}"),
            ("split then", split_text(found.split)),
            ("routed by", found.routed_by + (f": {found.reason}" if found.reason else "")),
            ("took", f"{found.latency_us / 1_000:.1f} ms"),
            *((("digest", found.digest),) if found.behind is None else ()),
        )
    )
    if found.behind is not None:
        from budwood.cli.draw_serving import draw_behind

        draw_behind(screen, found.behind)


def _now(shown: "EndpointShown") -> str:
    if shown.removed_ms:
        return "removed"
    if shown.killed:
        return "sent back: the baseline answers everything"
    return "a rollout runs" if shown.rollout else ""
