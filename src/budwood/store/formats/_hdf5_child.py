"""Runs alone in a process of its own: looks into one HDF5 file with h5py and prints where its arrays lie.

The HDF5 library is C with a history of memory errors, so it never runs in Budwood's own process. This
file imports nothing of Budwood; it is started by hdf5.py with a path, an offset and a length (the file
may be a member of a zip), gives itself limits, and prints one JSON object.
"""

import io
import json
import os
import sys

ITEMS = 100_000
NAME_CHARS = 300
ATTRIBUTE_BYTES = 4 << 20


class _Part(io.RawIOBase):
    """A range of a file as a file."""

    def __init__(self, path: str, offset: int, length: int) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115  the process ends with it
        self._offset = offset
        self._length = length
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._length)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, target: "memoryview") -> int:  # type: ignore[override]
        wanted = max(0, min(len(target), self._length - self._at))
        self._file.seek(self._offset + self._at)
        piece = self._file.read(wanted)
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def main(path: str, offset: int, length: int, memory_bytes: int, time_s: int) -> None:
    """Print {"arrays": [[name, offset, length, dtype, shape], …], "attributes": {…}}."""
    _limit(memory_bytes, time_s)
    # Filters are shared libraries found by path; none is needed to learn where bytes lie.
    os.putenv("HDF5_PLUGIN_PRELOAD", "::")
    os.putenv("HDF5_USE_FILE_LOCKING", "FALSE")
    os.putenv("OPENBLAS_NUM_THREADS", "1")
    import h5py

    arrays: list[list[object]] = []

    def visit(name: str, node: object) -> bool | None:
        if isinstance(node, h5py.Dataset):
            arrays.extend(_arrays(name[:NAME_CHARS], node))
        return True if len(arrays) > ITEMS else None

    with h5py.File(_Part(path, offset, length), "r") as file:
        base = file.userblock_size
        if base:
            raise ValueError("a user block")
        file.visititems(visit)
        attributes = {key: _attribute(file, key) for key in ("model_config", "keras_version", "backend")}
    print(json.dumps({"arrays": arrays[:ITEMS], "attributes": attributes}))  # noqa: T201  this is the reply


def _limit(memory_bytes: int, time_s: int) -> None:
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (time_s, time_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _arrays(name: str, dataset: "object") -> list[list[object]]:
    """A contiguous dataset is one range; each unfiltered chunk of a chunked one is a range without a shape."""
    import h5py

    assert isinstance(dataset, h5py.Dataset)
    if dataset.external or dataset.is_virtual or dataset.dtype.hasobject:
        return []
    dtype = dataset.dtype.str
    if dataset.chunks is None:
        start = dataset.id.get_offset()
        return [] if start is None else [[name, start, dataset.nbytes, dtype, list(dataset.shape)]]
    if dataset.compression is not None or dataset.id.get_create_plist().get_nfilters():
        return []
    found: list[list[object]] = []
    for at in range(min(dataset.id.get_num_chunks(), ITEMS)):
        chunk = dataset.id.get_chunk_info(at)
        whole = dataset.chunks == dataset.shape
        found.append([name if whole else f"{name}.{at}", chunk.byte_offset, chunk.size, dtype, list(dataset.chunks)])
    return found


def _attribute(file: "object", key: str) -> str:
    import h5py

    assert isinstance(file, h5py.File)
    if key not in file.attrs or file.attrs.get_id(key).get_storage_size() > ATTRIBUTE_BYTES:
        return ""
    value = file.attrs[key]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:6]))
