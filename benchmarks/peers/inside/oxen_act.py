"""oxen_act.py set-up|push|name|pull REPOSITORY [BRANCH]: one act on an Oxen repository."""

import sys

import oxen  # type: ignore[import-not-found]  # lives in the peers' environment only

act, folder, *branch = sys.argv[1:]
repository = oxen.Repo(folder)
if act == "set-up":
    oxen.user.config_user("Bench", "bench@example.org")
    repository.init()
elif act == "push":
    repository.add("model")
    try:
        repository.commit("a version")
    except ValueError as refused:
        # It says so, and rightly, when the same files are pushed again.
        if "No changes" not in str(refused):
            raise
elif act == "name":
    # Making a branch goes there; the next commit belongs on main again.
    repository.checkout(*branch, create=True)
    repository.checkout("main")
else:
    repository.checkout(*branch)
