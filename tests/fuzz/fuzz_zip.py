"""Fuzz the zip readers: torch, NumPy, Keras and plain archives."""

import io
import pickle
import zipfile

from tests.fuzz import common  # first, because it instruments what is imported after it

# isort: split
from budwood.store.formats.zip_files import read_zip


def archive(*members: tuple[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as opened:
        for name, content in members:
            opened.writestr(zipfile.ZipInfo(name), content)
    return target.getvalue()


ARRAY = b"\x93NUMPY\x01\x00\x3c\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   \n" + bytes(8)
TENSOR = (
    b"\x80\x02}q\x00X\x01\x00\x00\x00wq\x01ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n"
    b"FloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQK\x00K\x02\x85K\x01\x85\x89ccollections\n"
    b"OrderedDict\n)RtRs."
)
SEEDS = [
    archive(("m/data.pkl", TENSOR), ("m/data/0", bytes(8)), ("m/byteorder", b"little")),
    archive(("a.npy", ARRAY)),
    archive(("config.json", b'{"class_name":"Lambda"}'), ("model.weights.h5", b"\x89HDF\r\n\x1a\n")),
    archive(("x/clf.pkl", pickle.dumps([1]))),
]

if __name__ == "__main__":
    common.fuzz("a.pt", read_zip, SEEDS)
