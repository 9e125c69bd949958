"""What is asked and answered about manifests for other systems, as values that travel."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AskEmit:
    """``serving`` is the text of a serving manifest; empty for the one in the version, or what is known of it."""

    target: str
    serving: str = ""


@dataclass(frozen=True, slots=True)
class EmittedFile:
    """``path`` is where it belongs, with slashes."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Emitted:
    """``of`` is a version or an endpoint; ``generation`` that of the endpoint, 0 for a version."""

    target: str
    of: str
    files: tuple[EmittedFile, ...]
    generation: int = 0
