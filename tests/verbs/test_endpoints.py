"""Endpoints and their splits, the same in a folder, in memory and over HTTP."""

from pathlib import Path

import pytest

from budwood.client.registry import Registry
from budwood.domain.traffic.trust import BackendTrust
from budwood.errors import (
    BadEndpoint,
    BadName,
    BadSplit,
    BadValue,
    GateClosed,
    NameTaken,
    PreconditionFailed,
    RecordNotFound,
    Retired,
    VersionNotFound,
)
from budwood.verbs.serving import with_authorities

ENDPOINT = """\
apiVersion: budwood.dev/v1
kind: Endpoint
metadata: {name: fraud}
spec:
  model: encoder
  arms:
    stable: {version: v1, backends: ["http://127.0.0.1:8081"]}
    canary: {version: v2, backends: ["http://127.0.0.1:8082"]}
  split: {stable: 90, canary: 10}
  sticky: {header: x-user-id}
"""
POLICY = """\
apiVersion: budwood.dev/v1
kind: Policy
metadata: {name: production}
spec:
  stages: [production]
  thresholds: [{metric: accuracy, operator: ">=", value: 0.9}]
"""

PLAN = """\
apiVersion: budwood.dev/v1
kind: Rollout
metadata: {name: quick}
spec:
  steps:
    - {canary: 10%, samples: 50}
"""
AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBNTCB3KADAgECAgEHMAoGCCqGSM49BAMCMBkxFzAVBgNVBAMMDnRlc3QgYXV0
aG9yaXR5MCAXDTI2MDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAwWjAZMRcwFQYD
VQQDDA50ZXN0IGF1dGhvcml0eTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBo2
KP57i7qWv3A7ShLZCcOeI+GhNZ58a/68ugM3sdvMk8C77GFVLld++oiV6ImevZcc
fDOPAIw7Eag5VBeo7xmjEzARMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwID
SAAwRQIgLXKIq8WK4ephGpMGWoHJVaJ1fdeAiLA+F6scIxLmg2ICIQCZozL6y83l
t/Iq4+ufvVEGh7bEWvehx1z4j6s8jHYVoQ==
-----END CERTIFICATE-----
"""


@pytest.fixture
def served(registry: Registry, tmp_path: Path) -> Registry:
    """Three versions of one model."""
    for number in range(3):
        (tmp_path / "config.json").write_text(f'{{"layers": {number}}}')
        registry.push(tmp_path / "config.json", "encoder", label=f"1.{number}.0")
    return registry


def test_an_endpoint_is_made_shown_and_taken_away(served: Registry) -> None:
    made = served.endpoints.put(ENDPOINT)
    assert (made.generation, made.split, made.actor) == (1, {"stable": 9_000, "canary": 1_000}, "mara")
    assert [(arm.name, arm.number, arm.names) for arm in made.body.arms] == [
        ("stable", 1, ("1.0.0", "stable")),
        ("canary", 2, ("1.1.0", "canary")),
    ]
    assert served.endpoints.list() == (made,)
    assert served.endpoints.show("fraud") == made
    gone = served.endpoints.remove("fraud")
    assert gone.removed_ms
    assert served.endpoints.list() == ()
    with pytest.raises(RecordNotFound):
        served.endpoints.show("fraud")


def test_the_salt_is_told_to_nobody(served: Registry) -> None:
    made = served.endpoints.put(ENDPOINT)
    assert made.body.sticky is not None
    assert made.body.sticky.salt == ""


def test_a_split_is_moved_and_its_history_is_told(served: Registry) -> None:
    first = served.endpoints.put(ENDPOINT)
    moved = served.endpoints.split("fraud", {"stable": 5_000, "canary": 5_000}, "it looks well")
    assert (moved.generation, moved.reason) == (2, "it looks well")
    then = served.endpoints.show("fraud", at_ms=first.since_ms)
    assert then.generation in (1, 2)
    back = served.endpoints.back("fraud", "errors went up")
    assert (back.split, back.killed) == ({"stable": 10_000}, True)
    again = served.endpoints.split("fraud", {"stable": 9_000, "canary": 1_000})
    assert not again.killed


def test_of_two_operators_one_wins(served: Registry) -> None:
    seen = str(served.endpoints.put(ENDPOINT).generation)
    served.endpoints.split("fraud", {"stable": 8_000, "canary": 2_000}, expected=seen)
    with pytest.raises(PreconditionFailed, match="generation 2"):
        served.endpoints.split("fraud", {"stable": 7_000, "canary": 3_000}, expected=seen)


def test_a_document_that_says_the_same_leaves_the_traffic_where_it_is(served: Registry) -> None:
    served.endpoints.put(ENDPOINT)
    served.endpoints.split("fraud", {"stable": 5_000, "canary": 5_000})
    assert served.endpoints.put(ENDPOINT + "  timeout: 5s\n").split == {"stable": 5_000, "canary": 5_000}
    changed = ENDPOINT.replace("{stable: 90, canary: 10}", "{stable: 80, canary: 20}")
    assert served.endpoints.put(changed).split == {"stable": 8_000, "canary": 2_000}


@pytest.mark.parametrize(
    ("split", "error"),
    [({"stable": 1}, BadSplit), ({"stable": 5_000, "blue": 5_000}, BadEndpoint), ({"stable": 10_001}, BadSplit)],
)
def test_a_split_that_is_none_changes_nothing(served: Registry, split: dict[str, int], error: type[Exception]) -> None:
    served.endpoints.put(ENDPOINT)
    with pytest.raises(error):
        served.endpoints.split("fraud", split)
    assert served.endpoints.show("fraud").generation == 1


def test_versions_that_are_unknown_or_retired_get_no_traffic(served: Registry) -> None:
    with pytest.raises(VersionNotFound):
        served.endpoints.put(ENDPOINT.replace("v2", "v9"))
    served.retire("encoder@v2", "it leaks")
    with pytest.raises(Retired):
        served.endpoints.put(ENDPOINT)
    assert served.endpoints.list() == ()


def test_what_no_policy_let_through_answers_nobody(served: Registry) -> None:
    served.endpoints.put(ENDPOINT.replace("{stable: 90, canary: 10}", "{stable: 100}"))
    served.gates.put_policy(POLICY)
    with pytest.raises(GateClosed):
        served.endpoints.split("fraud", {"stable": 9_000, "canary": 1_000})
    served.gates.add_evidence("encoder@v2", "evaluation", metrics={"accuracy": 0.95})
    served.gates.apply(served.gates.request("encoder@v2", "production", "better").id)
    assert served.endpoints.split("fraud", {"stable": 9_000, "canary": 1_000}).split["canary"] == 1_000


def test_going_back_waits_for_nobody(served: Registry) -> None:
    served.endpoints.put(ENDPOINT)
    served.gates.put_policy(POLICY)
    assert served.endpoints.split("fraud", {"stable": 9_500, "canary": 500}).split["canary"] == 500
    assert served.endpoints.back("fraud", "no good").split == {"stable": 10_000}
    with pytest.raises(GateClosed):
        served.endpoints.split("fraud", {"stable": 9_500, "canary": 500})


def test_a_new_arm_that_no_policy_let_through_may_hear_and_not_answer(served: Registry) -> None:
    served.endpoints.put(ENDPOINT)
    served.gates.put_policy(POLICY)
    more = ENDPOINT.replace("  split:", '    next: {version: v3, backends: ["http://127.0.0.1:8083"]}\n  split:')
    arms = {arm.name: arm.shadow_only for arm in served.endpoints.put(more).body.arms}
    assert arms == {"stable": False, "canary": False, "next": True}


def test_every_move_is_on_the_ledger(served: Registry) -> None:
    served.endpoints.put(ENDPOINT)
    served.endpoints.back("fraud", "no good")
    served.endpoints.remove("fraud")
    entries = [entry.action for entry in served.ledger(subject="fraud")]
    assert entries == ["endpoint.routed", "endpoint.routed", "endpoint.removed"]


def test_a_request_nobody_answered_is_not_known(served: Registry) -> None:
    with pytest.raises(RecordNotFound, match="Nobody here knows"):
        served.endpoints.which("0f8fad5b-d9cb-469f-a165-70867728950e")


KEYED = ENDPOINT + "  auth: {keys: {header: x-api-key}}\n"


def test_a_clients_key_is_told_once(served: Registry) -> None:
    served.endpoints.put(KEYED)
    made = served.endpoints.add_client("fraud", "acme")
    assert made.key.startswith("bwk_")
    assert [each.name for each in served.endpoints.clients("fraud").clients] == ["acme"]
    told = repr((served.endpoints.show("fraud"), served.endpoints.clients("fraud"), served.ledger(subject="fraud")))
    assert made.key not in told
    assert served.endpoints.remove_client("fraud", "acme").clients == ()


def test_a_client_has_one_key(served: Registry) -> None:
    served.endpoints.put(KEYED)
    first = served.endpoints.add_client("fraud", "acme").key
    with pytest.raises(NameTaken):
        served.endpoints.add_client("fraud", "acme")
    served.endpoints.remove_client("fraud", "acme")
    assert served.endpoints.add_client("fraud", "acme").key != first


@pytest.mark.parametrize("name", ["", "-", "a b", "A", "x" * 64, "a\nb", "%REQ(x)%"])
def test_a_clients_name_goes_into_a_header_and_is_plain(served: Registry, name: str) -> None:
    served.endpoints.put(KEYED)
    with pytest.raises(BadName):
        served.endpoints.add_client("fraud", name)


def test_an_endpoint_that_asks_for_no_key_has_no_clients(served: Registry) -> None:
    served.endpoints.put(ENDPOINT)
    with pytest.raises(BadValue, match="nobody for a key"):
        served.endpoints.add_client("fraud", "acme")
    with pytest.raises(RecordNotFound):
        served.endpoints.remove_client("fraud", "acme")


def test_whose_certificates_are_believed_is_kept(served: Registry) -> None:
    secure = ENDPOINT.replace("http://", "https://").replace(':8082"]', ':8082"], tls: {verify: false}')
    made = served.endpoints.put(with_authorities(secure, {"stable": f"subject=ours\n{AUTHORITY}"}))
    assert [arm.trust for arm in made.body.arms] == [BackendTrust(AUTHORITY), BackendTrust(is_checked=False)]
    assert served.endpoints.show("fraud") == made
    assert served.ledger(subject="fraud")[-1].body["unverified"] == ["canary"]
    served.rollouts.start("fraud", "encoder@v3", PLAN, backends=["https://127.0.0.1:8083"])
    (candidate,) = (arm for arm in served.endpoints.show("fraud").body.arms if arm.number == 3)
    assert candidate.trust == BackendTrust(AUTHORITY)


def test_authorities_are_for_arms_that_there_are() -> None:
    with pytest.raises(BadEndpoint, match="no arm 'other'"):
        with_authorities(ENDPOINT, {"other": AUTHORITY})
