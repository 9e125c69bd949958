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

from benchmarks.meter import NOTHING, CommandFailed, Cost, measure
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
    copies = {
        "copy-bf16": (wide[-1], last),
        "copy-fp16": (wide[-1], variant / "last_fp16.safetensors"),
        "copy-upcast": (last, variant / "upcast_fp32.safetensors"),
        "copy-gguf-f16": (wide[-1], corpus / "gguf" / "last-f16.gguf"),
        "copy-gguf-q8_0": (wide[-1], corpus / "gguf" / "last-q8_0.gguf"),
        "copy-onnx": (wide[-1], corpus / "onnx" / "last.onnx"),
    }
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
        *(Story(name, ((source,), (copy,))) for name, (source, copy) in copies.items()),
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
        yield from Telling(story, tool, empty_bytes=tool.stored_bytes()).acts()
    except (CommandFailed, CalledProcessError, OSError, StopIteration) as failed:
        yield Sample(kind.name, story.name, "gave up", fault=str(failed))
    finally:
        shutil.rmtree(room, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Telling:
    """One story with one tool whose store is set up; ``empty_bytes`` is what that store weighs with nothing in it."""

    story: Story
    tool: Tool
    empty_bytes: int

    def acts(self) -> Iterator[Sample]:
        """The pushes in order; of a whole story also what comes after."""
        for number, files in enumerate(self.story.versions, 1):
            lay(files, self.tool.model)
            yield self.push(number, f"push {number}")
            self.tool.after_push(number)
        if self.story.whole:
            yield from self.push_again_and_pull()

    def push_again_and_pull(self) -> Iterator[Sample]:
        """The last version pushed again, first as fresh copies (``again``), then untouched; first and last pulled."""
        last = len(self.story.versions)
        lay(self.story.versions[-1], self.tool.model)
        for step in ("again", "unchanged"):
            try:
                yield self.push(last, step)
            except CommandFailed as failed:
                # Some tools refuse when there is nothing new; that is an answer, not a figure.
                yield Sample(self.tool.name, self.story.name, step, fault=str(failed))
        if self.tool.can_pull:
            yield self.pull(1, "pull first")
            yield self.pull(last, "pull last")

    def push(self, number: int, step: str) -> Sample:
        """One measured push of what lies in the model folder."""
        return self._sample(number, step, perform(self.tool, self.tool.push(number)))

    def pull(self, number: int, step: str) -> Sample:
        """One measured pull into an empty folder, compared with what was pushed. Raises CommandFailed."""
        into = self.tool.room / "pulled"
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir()
        cost = perform(self.tool, self.tool.pull(number, into))
        files = self.story.versions[number - 1]
        for source in files:
            if not filecmp.cmp(source, self.tool.pulled(into) / file_name(source, files), shallow=False):
                raise CommandFailed(f"{self.tool.name} gave back other bytes for {source.name}")
        return self._sample(number, step, cost)

    def _sample(self, number: int, step: str, cost: Cost) -> Sample:
        return Sample(
            tool=self.tool.name,
            story=self.story.name,
            step=step,
            wall_s=round(cost.wall_s, 4),
            cpu_s=round(cost.cpu_s, 4),
            anonymous_bytes=cost.anonymous_bytes,
            raw_bytes=sum(path.stat().st_size for path in self.story.versions[number - 1]),
            stored_bytes=self.tool.stored_bytes() - self.empty_bytes,
        )


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
