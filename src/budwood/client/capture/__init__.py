"""The facts of a pusher's surroundings: code, environment, hardware, author. Captured, not typed.

What cannot be captured is left empty, never invented, and nothing here raises: a push must not fail
because git hangs or a GPU driver is broken. Environment variables are read in ``config`` only, so a
``GIT_DIR`` or ``CUDA_VISIBLE_DEVICES`` of the moment does not change what is recorded.
"""

from dataclasses import dataclass
from pathlib import Path

from budwood.client.capture.environment import capture_environment
from budwood.client.capture.git import capture_author, capture_code
from budwood.client.capture.hardware import capture_hardware
from budwood.domain.facts import Code, Environment, Hardware

__all__ = [
    "Surroundings",
    "capture",
    "capture_author",
    "capture_code",
    "capture_environment",
    "capture_hardware",
]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a version was pushed from. ``code`` is None outside a git work tree with a commit."""

    code: Code | None
    environment: Environment
    hardware: Hardware


def capture(folder: Path, *, keep_diff: bool = True) -> Surroundings:
    """The surroundings of a folder (or file) about to be pushed.

    The code is that of the work tree the folder lies in; where it lies in none, of the one the push is run from,
    as when a training script writes to scratch space.
    """
    code = capture_code(folder, keep_diff=keep_diff) or capture_code(Path.cwd(), keep_diff=keep_diff)
    return Surroundings(code, capture_environment(folder), capture_hardware())
