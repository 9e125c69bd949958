"""budwood show: everything known about one version."""

from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Ref, answer, opened
from budwood.cli.help import examples
from budwood.cli.screen import Screen
from budwood.domain.fields import missing_fields

if TYPE_CHECKING:
    from budwood.domain.manifest import Manifest
    from budwood.domain.results import VersionDetail

EPILOG = examples("budwood show encoder@champion", "budwood show encoder@v2 --tensors", "budwood show encoder --json")


def show(
    ctx: typer.Context,
    ref: Ref,
    files: Annotated[bool, typer.Option("--files", help="List its files.")] = False,
    tensors: Annotated[bool, typer.Option("--tensors", help="List its tensors.")] = False,
    facts: Annotated[bool, typer.Option("--facts", help="Also environment, packages, hardware and adapter.")] = False,
    json: Json = False,
) -> None:
    """Show one version: what it is and where it came from."""
    with opened(ctx) as registry:
        version = registry.get(ref)
        detail, manifest = version.detail(), version.manifest

    def draw(screen: Screen) -> None:
        from budwood.cli import render_version

        render_version.draw_version(screen, detail, manifest)
        render_version.draw_facts(screen, manifest.facts)
        if facts:
            render_version.draw_more_facts(screen, manifest.facts)
        if files:
            render_version.draw_files(screen, manifest.files)
        if tensors:
            render_version.draw_tensors(screen, manifest.files)

    answer(_value(detail, manifest, files=files, tensors=tensors) if json else None, draw, json=json)


def _value(detail: "VersionDetail", manifest: "Manifest", *, files: bool, tensors: bool) -> dict[str, object]:
    """Blocks are the registry's own affair; files and tensors are listed only when asked for, there may be many."""
    value: dict[str, object] = {
        "version": detail.version,
        "aliases": detail.aliases,
        "holds_stage": detail.holds_stage,
        "tags": detail.tags,
        "computed": detail.computed,
        "parents": [parent.reference for parent in detail.parents],
        "children": [child.reference for child in detail.children],
        "stages": [{"at_ms": at_ms, "stage": stage} for at_ms, stage in detail.stages],
        "facts": manifest.facts,
        "missing": missing_fields(manifest.facts),
        "short_of": detail.short_of,
    }
    if files:
        value["files"] = [
            {
                "path": entry.path,
                "size": entry.size,
                "sha256": entry.sha256,
                "format": entry.format,
                "executable": entry.executable,
                "tensors": len(entry.tensors),
            }
            for entry in manifest.files
        ]
    if tensors:
        value["tensors"] = [
            {"name": span.name, "dtype": span.dtype, "shape": span.shape, "size": span.length, "file": entry.path}
            for entry in manifest.files
            for span in entry.tensors
        ]
    return value
