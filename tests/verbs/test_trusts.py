"""Trusts in a registry of one's own: the same doors as over HTTP."""

import pytest

import budwood
from budwood.errors import BadValue, NamespaceNotFound, RecordNotFound

ISSUER = "https://token.actions.githubusercontent.com"


@pytest.fixture
def registry() -> budwood.Registry:
    return budwood.in_memory()


def test_a_trust_is_given_listed_and_taken_back(registry: budwood.Registry) -> None:
    registry.admin.namespaces.add("risk")
    trusts = registry.admin.trusts
    added = trusts.add("risk", issuer=ISSUER, subject="repo:a/b", role="writer", audience="us", claims={"ref": "main"})
    assert trusts.list("risk") == (added,)
    assert (added.namespace, added.claims) == ("risk", (("ref", "main"),))
    assert trusts.list("default") == ()
    with pytest.raises(RecordNotFound):
        trusts.remove("default", added.id)
    assert trusts.remove("risk", added.id) == added
    assert trusts.list("risk") == ()
    said = [(entry.action, entry.subject) for entry in registry.ledger() if entry.action.startswith("trust.")]
    assert said == [("trust.added", str(added.id)), ("trust.removed", str(added.id))]


def test_a_folder_has_no_address_that_an_audience_could_be(registry: budwood.Registry) -> None:
    with pytest.raises(BadValue, match="audience"):
        registry.admin.trusts.add("default", issuer=ISSUER, subject="repo:a/b", role="writer")


def test_a_namespace_that_is_not_there_trusts_nobody(registry: budwood.Registry) -> None:
    with pytest.raises(NamespaceNotFound):
        registry.admin.trusts.list("nowhere")
