"""zipnn_press.py MODEL INTO: compress every file of a folder, 1 GB at a time as zipnn's own scripts do."""

import sys
from pathlib import Path

from zipnn import ZipNN

PIECE_BYTES = 1 << 30

model, into = map(Path, sys.argv[1:])
for path in sorted(model.iterdir()):
    dtype = "float32" if path.stat().st_size > 0 and b'"F32"' in path.open("rb").read(1 << 16) else "bfloat16"
    with path.open("rb") as source, (into / f"{path.name}.znn").open("wb") as target:
        while piece := source.read(PIECE_BYTES):
            pressed = ZipNN(bytearray_dtype=dtype, input_format="byte").compress(bytearray(piece))
            target.write(len(pressed).to_bytes(8, "little"))
            target.write(pressed)
