"""budwood pull: write a version, some of its files, or one tensor, verified."""

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from budwood.cli.face import Json, Ref, answer, exact, named, opened
from budwood.cli.help import examples
from budwood.cli.progress import bar
from budwood.cli.screen import Screen
from budwood.cli.words import count, duration_text, shape_text, size_text
from budwood.errors import Invalid, StorageFailed, StorageFull, TargetDiffers

if TYPE_CHECKING:
    from budwood.client.registry import Registry
    from budwood.client.version import Version
    from budwood.domain.results import Pulled

EPILOG = examples(
    "budwood pull encoder@champion out/",
    "budwood pull encoder@1.2.0 --file config.json --output config.json",
    "budwood pull encoder --tensor encoder.layer.0.weight --output weight.npy",
)


def pull(
    ctx: typer.Context,
    ref: Ref,
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="A new or matching folder; by default ./MODEL.")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Only this file or folder of it. Repeatable.")
    ] = None,
    tensor: Annotated[str, typer.Option(metavar="NAME", help="Only this tensor, as a NumPy file.")] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where one file or tensor is written to.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that differ.")] = False,
    json: Json = False,
) -> None:
    """Write a version, a file or a tensor of it, verified.

    Files that are there already are left alone, so an interrupted pull goes on where it stopped. A file that
    differs is never replaced without --overwrite, and other files in the folder are never touched.
    """
    paths = tuple(file or ())
    _check(folder, paths, tensor, output)
    with opened(ctx) as registry:
        version = registry.get(ref)
        if tensor:
            assert output is not None
            _pull_tensor(version, tensor, output, overwrite=overwrite, json=json)
        elif output is not None:
            _pull_file(registry, version, paths[0], output, overwrite=overwrite, json=json)
        else:
            target = folder or Path(version.record.model)
            total = None if paths else version.record.size_bytes
            with bar(f"Pulling {version.reference}", total, json=json) as advance:
                pulled = registry.pull(
                    exact(version.record), target, paths=paths, overwrite=overwrite, progress=advance
                )
            answer(pulled, lambda screen: draw_pulled(screen, pulled), json=json)


def draw_pulled(screen: Screen, pulled: "Pulled") -> None:
    written = pulled.files - pulled.unchanged
    if written:
        size, files = size_text(pulled.bytes_written), count(written, "file")
        there = f" ({pulled.unchanged} more already there)" if pulled.unchanged else ""
        near = f", {size_text(pulled.cached_bytes)} from this machine's cache" if pulled.cached_bytes else ""
        told = f"{size} in {files} to {pulled.target}{there}, verified{near}, {duration_text(pulled.seconds)}"
    else:
        told = f"{pulled.target} already holds {_all(pulled.files)}, bit for bit"
    screen.line(f"{named(pulled.version)}: {told}")


def _check(folder: Path | None, paths: tuple[str, ...], tensor: str, output: Path | None) -> None:
    if tensor and paths:
        raise Invalid("Give --file or --tensor, not both.")
    if tensor and output is None:
        raise Invalid("Where should the tensor be written?", hint="Add --output FILE.npy.")
    if output is not None and not tensor and len(paths) != 1:
        raise Invalid(
            "--output is for one file or one tensor.",
            hint="Name it with --file PATH or --tensor NAME, or give a folder.",
        )
    if output is not None and folder is not None:
        raise Invalid("Give a folder or --output, not both.")


def _pull_file(
    registry: "Registry", version: "Version", path: str, output: Path, *, overwrite: bool, json: bool
) -> None:
    """Through a folder beside the output, so that it appears whole, verified, or not at all."""
    size = version.manifest.file(path).size
    with bar(f"Pulling {path}", size, json=json) as advance:

        def write(scratch: Path) -> Path:
            registry.pull(exact(version.record), scratch, paths=[path], progress=advance)
            return scratch / path

        _put(output, write, overwrite=overwrite)
    pulled = {"version": version.record, "path": path, "target": str(output), "bytes_written": size}
    told = f"{version.reference}: {path}, {size_text(size)} to {output}, verified"
    answer(pulled, lambda screen: screen.line(told), json=json)


def _pull_tensor(version: "Version", name: str, output: Path, *, overwrite: bool, json: bool) -> None:
    array = version.tensor(name)
    stored = version.manifest.tensor(name)[1].dtype

    def write(scratch: Path) -> Path:
        import numpy as np

        with (scratch / "tensor").open("wb") as file:
            np.save(file, array, allow_pickle=False)
        return scratch / "tensor"

    _put(output, write, overwrite=overwrite)
    kind = f"{array.dtype.name} (from {stored})" if stored == "bf16" else array.dtype.name
    told = f"{version.reference}: {name}, {kind} {shape_text(array.shape)}, {size_text(array.nbytes)} to {output}"
    pulled = {
        "version": version.record,
        "tensor": name,
        "dtype": stored,
        "numpy_dtype": array.dtype.name,
        "shape": array.shape,
        "target": str(output),
        "bytes_written": output.stat().st_size,
    }
    answer(pulled, lambda screen: screen.line(told), json=json)


def _put(output: Path, write: Callable[[Path], Path], *, overwrite: bool) -> None:
    """Write in a folder beside ``output``, then rename. Raises TargetDiffers, StorageFull, StorageFailed."""
    if output.exists() and not overwrite:
        raise TargetDiffers(f"{output} exists.", hint="Choose another name, or give --overwrite.", path=str(output))
    try:
        with tempfile.TemporaryDirectory(prefix=".budwood-", dir=output.absolute().parent) as scratch:
            write(Path(scratch)).replace(output)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"There is no space left to write {output}.", path=str(output)) from error
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StorageFailed(f"{output} cannot be written: {reason}.", path=str(output)) from error


def _all(files: int) -> str:
    return "its only file" if files == 1 else f"all {files} files"
