"""What a job shows for itself: the token that its own issuer gives it, for one audience.

From a file (Kubernetes projects one into a pod), or from GitHub Actions, which gives one to a job with the permission
``id-token: write``. The token that every pod has for its cluster's own API is never taken: it is no server's business.
"""

import json
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from budwood.config import JobIssuer
from budwood.domain.limits import CONNECT_S, IDLE_S, PROOF_BYTES
from budwood.errors import BadValue, ServerUnreachable, SourceNotFound

PROJECTED: Final = Path("/var/run/secrets/budwood/token")
"""Where docs/identities.md has a pod's token projected to."""


def proof(audience: str, file: Path | None, job: JobIssuer | None) -> str:
    """The token of this job. Raises BadValue, SourceNotFound, ServerUnreachable."""
    if file is not None:
        return _from_file(file)
    if job is not None:
        return _from_actions(job, audience)
    if PROJECTED.is_file():
        return _from_file(PROJECTED)
    hint = f"Give --proof-file, project a token to {PROJECTED}, or give the GitHub job 'id-token: write'."
    raise BadValue("Nothing here says which job this is.", hint=hint)


def _from_file(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(PROOF_BYTES + 1)
    except OSError as error:
        raise SourceNotFound(f"{file} cannot be read: {error.strerror}.", path=str(file)) from error
    return _checked(content.decode("utf-8", "replace").strip(), str(file))


def _from_actions(job: JobIssuer, audience: str) -> str:
    joint = "&" if urlsplit(job.url).query else "?"
    address = f"{job.url}{joint}{urlencode({'audience': audience})}"
    headers = {"Authorization": f"Bearer {job.token}", "Accept": "application/json"}
    timeout = urllib3.Timeout(connect=CONNECT_S, read=IDLE_S)
    try:
        with urllib3.PoolManager(retries=False) as pool:
            answer = pool.request("GET", address, headers=headers, timeout=timeout, redirect=False)
    except HTTPError as error:
        raise ServerUnreachable("GitHub's issuer of tokens cannot be reached.") from error
    try:
        value = json.loads(answer.data)["value"] if answer.status == 200 else ""
    except (ValueError, KeyError, TypeError):
        value = ""
    return _checked(str(value), "GitHub's issuer of tokens")


def _checked(token: str, source: str) -> str:
    if not token or len(token) > PROOF_BYTES or not token.isascii() or not token.isprintable():
        raise BadValue(f"{source} gave no token.")
    return token
