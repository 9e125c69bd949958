"""oxen_act.py set-up|push|pull REPOSITORY [NOTE]: one act on an Oxen repository; commit ids go into NOTE."""

import sys
from pathlib import Path

import oxen  # type: ignore[import-not-found]  # lives in the peers' environment only

act, folder = sys.argv[1:3]
repository = oxen.Repo(folder)
if act == "set-up":
    oxen.user.config_user("Bench", "bench@example.org")
    repository.init()
elif act == "push":
    repository.add("model")
    repository.commit("a version")
    Path(sys.argv[3]).write_text(repository.log()[0].id, encoding="utf-8")
else:
    repository.checkout(Path(sys.argv[3]).read_text(encoding="utf-8"))
