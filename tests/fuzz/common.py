"""What the fuzz programs share: run one reader without its wall, and check what must hold for any bytes.

By hand, each from the repository's root (``pip install atheris`` first, Linux):

    python -m tests.fuzz.fuzz_safetensors -runs=1000000 -max_len=2048

Atheris instruments the readers, so it finds its way into them; a crash is written to ``crash-…`` and
replayed by giving that file as the argument. Seeds are made in a temporary folder.
"""

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["budwood"]):
    from budwood.domain import canon
    from budwood.store.api import Reading, Source
    from budwood.store.formats import tile
    from budwood.store.formats.bounded import Malformed, Memory
    from budwood.store.formats.dispatch import certain


def fuzz(name: str, read: Callable[[Source], Reading], seeds: Sequence[bytes]) -> None:
    """Call ``read`` with whatever atheris thinks of, as a file of that name; never returns."""

    def one(content: bytes) -> None:
        try:
            reading = read(Memory(content, name))
        except Malformed:
            return
        reading = certain(reading, len(content))
        at = 0
        for part in tile(len(content), reading.hints):
            assert part.offset == at
            assert part.length > 0
            at += part.length
        assert at == len(content)
        canon.dumps(canon.pack(reading.facts))
        canon.dumps([canon.pack(hint) for hint in reading.hints])

    corpus = Path(tempfile.mkdtemp(prefix="budwood-fuzz-"))
    for at, seed in enumerate(seeds):
        (corpus / f"seed-{at}").write_bytes(seed)
    atheris.Setup([*sys.argv, str(corpus)], one)
    atheris.Fuzz()
