"""Fuzz the inert pickle machine, joblib's arrays, compressed pickles and torch's old format."""

import pickle
import zlib

from tests.fuzz import common  # first, because it instruments what is imported after it

# isort: split
from budwood.store.api import Reading, Source
from budwood.store.formats.pickles import COMPRESSIONS, read_compressed, read_old_pickle, read_pickle
from budwood.store.formats.torch_legacy import looks_like_torch_legacy, read_torch_legacy

VALUE = {"a": [1, 2.5, "x", None, True, (1, b"yy")], "b": {1, 2}, "c": bytearray(b"z" * 9)}
JOBLIB = (
    b"\x80\x04\x8c\x13joblib.numpy_pickle\x8c\x11NumpyArrayWrapper\x93)\x81}(\x8c\x05shapeK\x04\x85\x8c\x05order\x8c\x01C"
    b"\x8c\x05dtype\x8c\x05numpy\x8c\x05dtype\x93\x8c\x02f4\x89\x88\x87R\x8c\x1bnumpy_array_alignment_bytesK\x10ub"
    b"\x00" + bytes(16) + b"."
)
SEEDS = [*(pickle.dumps(VALUE, protocol=at) for at in range(6)), JOBLIB, zlib.compress(pickle.dumps(VALUE))]


def read(source: Source) -> Reading:
    head = source.read(0, 64)
    if looks_like_torch_legacy(head):
        return read_torch_legacy(source)
    if head.startswith(tuple(COMPRESSIONS)):
        return read_compressed(source)
    read_old_pickle(source)
    return read_pickle(source)


if __name__ == "__main__":
    common.fuzz("a.pkl", read, SEEDS)
