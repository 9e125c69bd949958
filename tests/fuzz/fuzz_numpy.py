"""Fuzz the .npy reader and its parser of literals."""

from tests.fuzz import common  # first, because it instruments what is imported after it

# isort: split
from budwood.store.formats.numpy_files import read_npy


def array(header: bytes, version: bytes = b"\x01") -> bytes:
    width = 2 if version == b"\x01" else 4
    return b"\x93NUMPY" + version + b"\x00" + len(header).to_bytes(width, "little") + header + bytes(64)


SEEDS = [
    array(b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 4), }\n"),
    array(b"{'descr': [('a', '<f4'), ('b', '<i8', (2,))], 'fortran_order': True, 'shape': (), }\n", b"\x03"),
    array(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", b"\x02"),
]

if __name__ == "__main__":
    common.fuzz("a.npy", read_npy, SEEDS)
