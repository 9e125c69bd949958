"""Builds the native library where there is a C compiler; without one the package installs all the same.

Hatchling calls this for wheels and editable installs. The library knows no Python (store/native loads it by
ctypes), so no Python headers are needed, and a wheel with it serves every Python 3 of its platform.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "src/budwood/store/native"
LIBRARY = "budwood.so"
FLAGS = ("-std=gnu11", "-O3", "-Wall", "-fPIC", "-fvisibility=hidden", "-fno-strict-aliasing", "-shared")


class NativeLibrary(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles before anything is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises nothing: what cannot be compiled is left out."""
        folder = Path(self.root, FOLDER)
        built = folder / LIBRARY
        built.unlink(missing_ok=True)
        reason = compile_library(folder, built)
        if reason:
            self.app.display_warning(
                f"Without the native library, which NumPy replaces at a fraction of its speed: {reason}"
            )
            return
        build_data["artifacts"].append(f"/{FOLDER}/{LIBRARY}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag()}"


def compile_library(folder: Path, built: Path) -> str:
    """Why there is no library; empty where there is one."""
    compiler = find_compiler()
    if compiler is None:
        return "no C compiler was found (CC, cc, gcc, clang)."
    sources = sorted(folder.glob("*.c"))
    # Written beside and renamed: whoever has the old library open keeps it.
    fresh = built.with_suffix(".new")
    words = [*compiler, *FLAGS, f'-DSOURCE="{digest(folder)}"', "-o", str(fresh), *map(str, sources)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode:
        return f"{compiler[0]} failed:\n{done.stderr[-2000:]}"
    fresh.replace(built)
    return ""


def digest(folder: Path) -> str:
    """Names the sources that a library was built from."""
    files = sorted([*folder.glob("*.c"), *folder.glob("*.h")])
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def find_compiler() -> list[str] | None:
    if sys.platform == "win32":
        return None
    for words in filter(None, (os.environ.get("CC"), "cc", "gcc", "clang")):
        compiler = shlex.split(words)
        if shutil.which(compiler[0]):
            return compiler
    return None


def platform_tag() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
