"""zipnn_open.py FROM INTO: decompress what zipnn_press wrote."""

import sys
from pathlib import Path

from zipnn import ZipNN

pressed, into = map(Path, sys.argv[1:])
for path in sorted(pressed.iterdir()):
    with path.open("rb") as source, (into / path.name.removesuffix(".znn")).open("wb") as target:
        while length := int.from_bytes(source.read(8), "little"):
            target.write(ZipNN(input_format="byte").decompress(source.read(length)))
