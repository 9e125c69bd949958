"""xet_push.py MODEL CAS NOTE: upload every file of a folder; names, hashes and sizes go into NOTE."""

import json
import sys
from pathlib import Path

import hf_xet

model, cas, note = sys.argv[1:]
paths = sorted(path for path in Path(model).rglob("*") if path.is_file())
uploaded = hf_xet.upload_files([str(path) for path in paths], cas, None, None, None, "model")
files = [
    {"path": path.relative_to(model).as_posix(), "hash": file.hash, "size": file.file_size}
    for path, file in zip(paths, uploaded, strict=True)
]
Path(note).write_text(json.dumps(files), encoding="utf-8")
