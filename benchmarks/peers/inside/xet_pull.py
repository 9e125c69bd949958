"""xet_pull.py NOTE CAS INTO: download the files named in NOTE."""

import json
import sys
from pathlib import Path

import hf_xet

note, cas, into = sys.argv[1:]
files = json.loads(Path(note).read_text(encoding="utf-8"))
wanted = [hf_xet.PyXetDownloadInfo(str(Path(into) / file["path"]), file["hash"], file["size"]) for file in files]
hf_xet.download_files(wanted, cas, None, None, None)
