"""budwood push: keep files as a new version of a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, answer, key_values, named, note, opened
from budwood.cli.help import examples
from budwood.cli.progress import bar, bytes_below
from budwood.cli.screen import Screen
from budwood.cli.words import count, duration_text, share_text, size_text
from budwood.domain.limits import DETAILS_BYTES
from budwood.errors import BadValue, SourceNotFound

if TYPE_CHECKING:
    from budwood.domain.details import Details
    from budwood.domain.facts import Flag
    from budwood.domain.results import Pushed

EPILOG = examples(
    "budwood push encoder/ encoder --message 'First version'",
    "budwood push tuned/ encoder --parent encoder@v1 --bump auto --metric accuracy=0.91",
    "budwood push tuned/ encoder --parent fine-tuned-from=encoder@v1 --parent trained-on=reviews@v3 --facts facts.yaml",
    "budwood push model.safetensors config.json risk/encoder --label 2.0.0 --alias champion",
)
FLAGS_SHOWN = 5
Parents = Annotated[
    list[str] | None,
    typer.Option(metavar="[RELATION=]REF", help="A version it came from: trained-on=reviews@v3. Repeatable."),
]
Datasets = Annotated[list[str] | None, typer.Option(metavar="REF|NAME", help="Data it learned from. Repeatable.")]
Excluded = Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="Leave out files that match. Repeatable.")]
FactsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="YAML or JSON: training, statistics, search, fairness, ...")
]


def push(
    ctx: typer.Context,
    sources: Annotated[list[Path], typer.Argument(metavar="FOLDER|FILE...", help="A folder, or files.")],
    model: Annotated[str, typer.Argument(metavar="MODEL", help="The model they become a version of; made if new.")],
    label: Annotated[str, typer.Option(metavar="VERSION", help="Its semantic version, such as 1.2.0.")] = "",
    bump: Annotated[
        str, typer.Option(metavar="STEP", help="The next label: major, minor, patch, or auto (from the diff).")
    ] = "",
    parent: Parents = None,
    relation: Annotated[str, typer.Option(help="How it came from parents that do not say: derived-from, ...")] = "",
    alias: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Point an alias at it. Repeatable.")] = None,
    dataset: Datasets = None,
    metric: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A number measured. Repeatable.")] = None,
    param: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A setting chosen. Repeatable.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="K=V", help="A remark beside it. Repeatable.")] = None,
    message: Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="What is new, in words.")] = "",
    kind: Annotated[str, typer.Option(help="model, adapter, prompt, retrieval, dataset or bundle.")] = "",
    base_model: Annotated[str, typer.Option(metavar="NAME", help="The public model it was made from.")] = "",
    facts: FactsFile = None,
    no_diff: Annotated[bool, typer.Option("--no-diff", help="Do not keep uncommitted changes as a patch.")] = False,
    exclude: Excluded = None,
    author: Annotated[str, typer.Option(metavar="NAME", help="Who pushes, when not as the settings say.")] = "",
    json: Json = False,
) -> None:
    """Keep files as a new version of a model.

    Formats, tensors, frameworks, git commit, environment and author are captured, not typed. Equal tensors are
    stored once, and a fine-tune as its difference from its base. Pushing the same files again makes no new version.
    """
    metrics, params, tags = _numbers(metric or []), key_values(param or [], "parameter"), key_values(tag or [], "tag")
    for source in sources:
        if not source.exists():
            raise SourceNotFound(f"There is no file or folder {str(source)!r}.", path=str(source))
    with opened(ctx, create=True, author=author) as registry:
        with bar(f"Pushing {model}", lambda: bytes_below(sources), json=json) as advance:
            pushed = registry.push(
                sources,
                model,
                label=label,
                bump=bump,
                parents=parent or (),
                relation=relation,
                aliases=alias or (),
                datasets=dataset or (),
                metrics=metrics,
                params=params,
                tags=tags,
                message=message,
                kind=kind,
                base_model=base_model,
                facts=_details(facts),
                keep_diff=not no_diff,
                exclude=exclude or (),
                progress=advance,
            )
        if pushed.created and not json:
            _warn(
                registry.get(f"{pushed.version.namespace}/{pushed.version.model}@v{pushed.version.number}").facts.flags
            )
    answer(pushed, lambda screen: draw_pushed(screen, pushed, alias or []), json=json)


def draw_pushed(screen: Screen, pushed: "Pushed", aliases: list[str]) -> None:
    version = pushed.version
    held = f"{size_text(pushed.logical_bytes)} in {count(pushed.files, 'file')}"
    if pushed.created:
        share = share_text(pushed.stored_bytes, pushed.logical_bytes)
        new = f"{size_text(pushed.stored_bytes)} new ({share})" if pushed.stored_bytes else "nothing new to store"
        screen.line(f"{named(version)}: {held}, {new}, {duration_text(pushed.seconds)}")
    else:
        screen.line(f"{named(version)}: {held}, unchanged; no new version, {duration_text(pushed.seconds)}")
    if pushed.label_reason:
        screen.line(f"Label {version.label}: {'; '.join(pushed.label_reason)}")
    for name in aliases:
        screen.line(f"{name} → {version.reference}")


def _warn(flags: "tuple[Flag, ...]") -> None:
    for flag in flags[:FLAGS_SHOWN]:
        note(f"Warning: {flag.path}: {flag.detail or flag.code}")
    if len(flags) > FLAGS_SHOWN:
        note(f"Warning: {len(flags) - FLAGS_SHOWN} more; 'budwood show' lists them.")


def _details(file: Path | None) -> "Details":
    from budwood.domain.details import NO_DETAILS, read_details

    if file is None:
        return NO_DETAILS
    from budwood.verbs.yaml_text import document_from

    try:
        # One byte more than is allowed, so that a file that is too large is refused as such.
        with file.open("rb") as opened_file:
            text = opened_file.read(DETAILS_BYTES + 1).decode("utf-8", "replace")
    except OSError as error:
        raise SourceNotFound(f"{file} cannot be read: {error.strerror}.", path=str(file)) from error
    return read_details(document_from(text, BadValue, most=DETAILS_BYTES, limit="DETAILS_BYTES"))


def _numbers(pairs: list[str]) -> dict[str, float]:
    found = {}
    for key, text in key_values(pairs, "metric").items():
        try:
            found[key] = float(text)
        except ValueError as error:
            raise BadValue(f"The metric {key!r} is no number: {text!r}.") from error
    return found
