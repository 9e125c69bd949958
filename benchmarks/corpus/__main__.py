"""``python -m benchmarks.corpus --out DIR --size tiny|small|large``: build what is missing, leave what is there."""

import argparse
import os
import time
import warnings
from pathlib import Path

# Before anything imports the libraries that read them: no network, no chatter, no surprise threads.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from benchmarks.corpus.folder import CorpusFolder
from benchmarks.corpus.recipe import SIZES, Recipe


def main() -> int:
    """Run the stages asked for, in order."""
    asked = _parser().parse_args()
    warnings.simplefilter("ignore")
    recipe = Recipe(asked.size, asked.seed, asked.family_tunes)
    only = frozenset(filter(None, asked.only.split(",")))
    build(recipe, CorpusFolder(asked.out), only, asked.threads)
    return 0


def build(recipe: Recipe, folder: CorpusFolder, only: frozenset[str] = frozenset(), threads: int = 1) -> None:
    """Build every stage of the recipe that is not finished; with ``only``, just those named, whatever the size."""
    import torch

    from benchmarks.corpus.plan import STAGES

    unknown = only - {stage.name for stage in STAGES}
    if unknown:
        raise SystemExit(f"no such stage: {', '.join(sorted(unknown))}; there are {', '.join(s.name for s in STAGES)}")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.set_flush_denormal(True)
    folder.root.mkdir(parents=True, exist_ok=True)
    for stage in STAGES:
        wanted = stage.name in only if only else stage.belongs_to(recipe.size)
        if not wanted:
            continue
        if folder.is_finished(stage.name, stage.chosen(recipe)):
            print(f"{stage.name}: already there", flush=True)
            continue
        began = time.monotonic()
        stage.build(recipe, folder)
        files = folder.finish(stage.name, stage.chosen(recipe))
        size_mb = sum(written.size_bytes for written in files.values()) / 1e6
        print(f"{stage.name}: {len(files)} files, {size_mb:.1f} MB, {time.monotonic() - began:.1f} s", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to build in; finished stages are kept")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--only", default="", metavar="STAGE,…", help="build these stages and no others")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="torch threads; one is fastest on a busy machine")
    parser.add_argument("--family-tunes", type=int, choices=(1, 2, 3), default=1, help="fine-tunes of the large family")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
