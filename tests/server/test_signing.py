"""Who may sign, and who says whose signatures count: over a real socket."""

import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

V1 = "/v1/models/ours/encoder/versions/v1"
KEYS = "/v1/namespaces/ours/keys"


def public_key() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, form).decode()


def test_only_who_manages_the_namespace_trusts_keys(fresh: Any) -> None:
    body = {"name": "ci", "pem": public_key()}
    for by in ("reader", "writer", "reviewer", "releaser"):
        assert fresh.ask("POST", KEYS, by=by, json=body).status == 403
    trusted = fresh.ask("POST", KEYS, by="owner", json=body)
    assert trusted.status == 200, trusted
    assert fresh.ask("GET", KEYS, by="reader").value["keys"][0]["key"] == trusted.value["key"]
    assert fresh.ask("DELETE", f"{KEYS}/ci", by="writer").status == 403
    assert fresh.ask("DELETE", f"{KEYS}/ci", by="owner").status == 200
    actions = [each["action"] for each in fresh.ask("GET", "/v1/ledger?limit=1000", by="admin").value["entries"]]
    assert [action for action in actions if action.startswith("key.")] == ["key.trusted", "key.removed"]


def test_what_signs_other_files_is_refused(fresh: Any) -> None:
    for bundle in ("{}", json.dumps({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"})):
        refused = fresh.ask("POST", f"{V1}/signatures", by="writer", json={"bundle": bundle})
        assert (refused.status, refused.problem["code"]) == (422, "bad_value")
    assert fresh.ask("POST", f"{V1}/signatures", by="reader", json={"bundle": "{}"}).status == 403
    assert fresh.ask("GET", f"{V1}/signatures", by="reader").value == {"evidence": []}
