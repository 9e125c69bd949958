"""What is done with every tool: versions are pushed in order, pushed again unchanged, and pulled back.

One telling of a story runs one tool in an empty room. Before each measured act the file system is synced, so that
nobody pays for what another left unwritten; every version pulled is compared with what was pushed.
"""

import filecmp
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CalledProcessError

from benchmarks.meter import NOTHING, CommandFailed, Cost, folder_bytes, measure
from benchmarks.peers import Act, Tool
from benchmarks.samples import Sample


@dataclass(frozen=True, slots=True)
class Story:
    """Versions of one model, each the files of its folder. ``whole`` stories also push again and pull."""

    name: str
    versions: tuple[tuple[Path, ...], ...]
    whole: bool = False


def stories(corpus: Path) -> tuple[Story, ...]:
    """Every story of the figures, from a corpus of size large."""
    narrow = [corpus / "series_bf16" / f"v{number}.safetensors" for number in range(1, 7)]
    wide = [corpus / "series_fp32" / f"v{number}.safetensors" for number in range(1, 7)]
    last, variant = narrow[-1], corpus / "var"
    thirds, quarters = (tuple(sorted((variant / shards).glob("*"))) for shards in ("reshard3", "reshard4"))
    frozen, family = corpus / "frozen_emb", corpus / "large_bf16"
    return (
        Story("series-bf16", tuple((path,) for path in narrow), whole=True),
        Story("series-fp32", tuple((path,) for path in wide)),
        Story("fp16", ((corpus / "base" / "fp16.safetensors",),)),
        Story("header-only", ((last,), (variant / "metadata_only.safetensors",))),
        Story("reshard-3", ((last,), thirds)),
        Story("reshard-4", (thirds, quarters)),
        Story("to-pt", ((last,), (variant / "last_bf16.pt",))),
        Story("to-npz", ((wide[-1],), (variant / "last_fp32.npz",))),
        Story("rows-appended", ((last,), (variant / "vocab_ext.safetensors",))),
        Story("frozen-embedding", ((corpus / "base" / "bf16.safetensors",), (frozen / "bf16.safetensors",))),
        Story("large", ((family / "base.safetensors",), (family / "ft1.safetensors",)), whole=True),
    )


def tell(story: Story, kind: type[Tool], rooms: Path, peers: Path) -> Iterator[Sample]:
    """Run the story with one tool; a sample per act, the last one with a fault when the tool gave up."""
    room = rooms / f"{story.name}-{kind.name.replace('&', '')}".lower()
    shutil.rmtree(room, ignore_errors=True)
    tool = kind(room, peers)
    tool.model.mkdir(parents=True)
    try:
        tool.set_up()
        for number, files in enumerate(story.versions, 1):
            lay(files, tool.model)
            yield push(story, tool, number, f"push {number}")
            tool.after_push(number)
        if story.whole:
            yield from push_again_and_pull(story, tool)
    except (CommandFailed, CalledProcessError, OSError, StopIteration) as failed:
        yield Sample(kind.name, story.name, "gave up", fault=str(failed))
    finally:
        shutil.rmtree(room, ignore_errors=True)


def push_again_and_pull(story: Story, tool: Tool) -> Iterator[Sample]:
    """The last version pushed again, first as fresh copies (``again``), then untouched; first and last pulled."""
    last = len(story.versions)
    lay(story.versions[-1], tool.model)
    for step in ("again", "unchanged"):
        try:
            yield push(story, tool, last, step)
        except CommandFailed as failed:
            # Some tools refuse when there is nothing new; that is an answer, not a figure.
            yield Sample(tool.name, story.name, step, fault=str(failed))
    if tool.can_pull:
        yield pull(story, tool, 1, "pull first")
        yield pull(story, tool, last, "pull last")


def push(story: Story, tool: Tool, number: int, step: str) -> Sample:
    """One measured push of what lies in the model folder."""
    cost = perform(tool, tool.push(number))
    return _sample(story, tool, step, cost, number)


def pull(story: Story, tool: Tool, number: int, step: str) -> Sample:
    """One measured pull into an empty folder, compared with what was pushed."""
    into = tool.room / "pulled"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    cost = perform(tool, tool.pull(number, into))
    for source in story.versions[number - 1]:
        if not filecmp.cmp(source, tool.pulled(into) / file_name(source, story.versions[number - 1]), shallow=False):
            raise CommandFailed(f"{tool.name} gave back other bytes for {source.name}")
    return _sample(story, tool, step, cost, number)


def perform(tool: Tool, act: Act) -> Cost:
    """Run the act's commands one after the other."""
    os.sync()
    cost = NOTHING
    for command in act.commands:
        cost = cost.then(measure(command, act.cwd, tool.environment))
    return cost


def lay(files: tuple[Path, ...], model: Path) -> None:
    """Make the model folder hold these files and no others, as fresh copies."""
    for old in model.iterdir():
        old.unlink()
    for source in files:
        shutil.copyfile(source, model / file_name(source, files))


def file_name(source: Path, files: tuple[Path, ...]) -> str:
    """A single file is always called ``model``, as people do; several keep their names."""
    return f"model{source.suffix}" if len(files) == 1 else source.name


def _sample(story: Story, tool: Tool, step: str, cost: Cost, number: int) -> Sample:
    raw_bytes = sum(path.stat().st_size for path in story.versions[number - 1])
    return Sample(
        tool=tool.name,
        story=story.name,
        step=step,
        wall_s=round(cost.wall_s, 4),
        cpu_s=round(cost.cpu_s, 4),
        anonymous_bytes=cost.anonymous_bytes,
        raw_bytes=raw_bytes,
        stored_bytes=folder_bytes(tool.store),
    )
