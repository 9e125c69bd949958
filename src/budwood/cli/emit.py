"""budwood export manifests: a version or an endpoint, in the language of another system."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.endpoint import Place, written
from budwood.cli.face import Json, answer, opened
from budwood.cli.help import examples
from budwood.errors import BadPath, StorageFailed, TargetDiffers

if TYPE_CHECKING:
    from budwood.domain.asks_emit import Emitted

EPILOG = examples(
    "budwood export manifests kserve fraud-detector@v2 --serving serving.yaml --out kserve/",
    "budwood export manifests istio --endpoint fraud --out istio/",
    "budwood export manifests triton encoder@champion",
)


def emit(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="kserve, seldon-model, seldon-experiment, seldon-deployment, deployment, istio, gateway-api, "
            "inference-pool, argo-rollouts, flagger, prometheus, hpa, keda, triton, mlserver or vllm.",
        ),
    ],
    ref: Annotated[str, typer.Argument(metavar="[REF]", help="A version, to answer everything.")] = "",
    endpoint: Annotated[
        str, typer.Option(metavar="ENDPOINT", help="Instead of a version: with its split of this moment.")
    ] = "",
    namespace: Place = "default",
    serving: Annotated[
        str,
        typer.Option(metavar="FILE", help="The serving manifest, in YAML; else budwood.serving.yaml in the version."),
    ] = "",
    out: Annotated[
        str, typer.Option("--out", metavar="DIR", help="Write the files there; else they are printed.")
    ] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    json: Json = False,
) -> None:
    """Write manifests that serve a version, or divide traffic as an endpoint does now, for another system.

    Each file says in its first lines what that system cannot do.
    """
    text = written(serving) if serving else ""
    with opened(ctx) as registry:
        made = registry.emit(target, ref, endpoint=endpoint, namespace=namespace, serving=text)
    if out:
        _write(made, Path(out), overwrite=overwrite)
        told = "\n".join(str(Path(out) / file.path) for file in made.files)
    else:
        told = "\n".join(f"# {file.path}\n{file.text}" for file in made.files)
    answer(made, lambda screen: screen.lines(told), json=json)


def _write(made: "Emitted", folder: Path, *, overwrite: bool) -> None:
    """Raises TargetDiffers before anything is written, StorageFailed."""
    top = folder.resolve()
    places = [(top / file.path, file.text) for file in made.files]
    for place, text in places:
        if not place.resolve().is_relative_to(top):
            raise BadPath(f"{place} lies outside {folder}.", path=str(place))
        if place.exists() and not overwrite and place.read_text(encoding="utf-8", errors="replace") != text:
            hint = "Choose another folder, or give --overwrite."
            raise TargetDiffers(f"{place} is there, and another.", hint=hint, path=str(place))
    try:
        for place, text in places:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageFailed(
            f"{error.filename} cannot be written: {error.strerror}.", path=str(error.filename)
        ) from error
