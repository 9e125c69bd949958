"""The first thing that runs in an evaluation's process: sets its limits, then hands over to the user's entry point.

It may run in any interpreter from Python 3.8 on, where Budwood need not be installed, so it uses the standard library
only. Arguments: the entry point, the folder of the model, that of the data, the file for results, the most memory.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Iterator  # noqa: UP035 for Python 3.8


def main(entry: str, model: str, dataset: str, results: str, memory_bytes: str) -> None:
    """A script takes the process over; a function is called, and what it returns is written."""
    _limit(int(memory_bytes))
    if entry.endswith(".py"):
        os.execv(sys.executable, [sys.executable, entry, model, dataset])  # noqa: S606 the user's own script
    # Neither the folder of this file nor its neighbours are what the user means by a module's name.
    sys.path[:] = [str(Path.cwd()), *[each for each in sys.path if each and Path(each) != Path(__file__).parent]]
    module, _, name = entry.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    said = found(Path(model), Path(dataset))
    with open(results, "w", encoding="utf-8") as file:
        for line in _lines(said):
            file.write(json.dumps(line, default=_plain) + "\n")


def _lines(said: Any) -> Iterator[Any]:
    if not isinstance(said, dict):
        yield from said
    elif isinstance(said.get("metrics", said.get("counts")), dict):
        yield said
    else:
        yield {"metrics": said}


def _plain(value: Any) -> Any:
    """The numbers of NumPy and of PyTorch."""
    return value.item()


def _limit(memory_bytes: int) -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        return


if __name__ == "__main__":
    main(*sys.argv[1:6])
