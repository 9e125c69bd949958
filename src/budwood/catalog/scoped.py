"""A catalog as one caller may see it: other namespaces answer as if they did not exist.

Everything a verb asks passes here, so no verb can forget to ask whether it may. What is found by id needs no guard:
ids come from records that were found by name. A transaction refuses to write outside its reach by not finding
there what it would write to.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar, cast

from budwood.catalog.api import Catalog, RemovedLabel, Transaction, View
from budwood.domain.manifest import BlockId
from budwood.domain.names import Kind
from budwood.domain.people import NamespaceRecord
from budwood.domain.query import Query
from budwood.domain.records import LedgerEntry, ModelRecord, VersionRecord
from budwood.domain.results import VersionPage
from budwood.errors import NamespaceNotFound
from budwood.store.api import BlockRow

T = TypeVar("T")


class ScopedCatalog:
    """``catalog.api.Catalog`` within ``reach``."""

    __slots__ = ("_inner", "_reach")

    def __init__(self, inner: Catalog, reach: frozenset[str]) -> None:
        self._inner = inner
        self._reach = reach

    @contextmanager
    def _reading(self) -> Iterator[View]:
        with self._inner.read() as view:
            yield cast(View, _Scoped(view, self._reach))

    def read(self) -> AbstractContextManager[View]:
        return self._reading()

    def write(self, work: Callable[[Transaction], T]) -> T:
        return self._inner.write(lambda transaction: work(cast(Transaction, _Scoped(transaction, self._reach))))

    def check(self) -> Iterator[str]:
        return self._inner.check()

    def close(self) -> None:
        """The catalog below is not this one's to close."""


class _Scoped:
    """A view or transaction within reach. What is not named here knows no namespaces and goes straight through."""

    __slots__ = ("_inner", "_reach")

    def __init__(self, inner: View, reach: frozenset[str]) -> None:
        self._inner = cast(Transaction, inner)
        self._reach = reach

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def model(self, namespace: str, name: str) -> ModelRecord | None:
        return self._inner.model(namespace, name) if namespace in self._reach else None

    def version_by_number(self, namespace: str, name: str, number: int) -> VersionRecord | None:
        return self._inner.version_by_number(namespace, name, number) if namespace in self._reach else None

    def version_by_label(self, namespace: str, name: str, label: str) -> VersionRecord | None:
        return self._inner.version_by_label(namespace, name, label) if namespace in self._reach else None

    def removed_label(self, namespace: str, name: str, label: str) -> RemovedLabel | None:
        return self._inner.removed_label(namespace, name, label) if namespace in self._reach else None

    def version_by_pointer(self, namespace: str, name: str, pointer: str) -> VersionRecord | None:
        return self._inner.version_by_pointer(namespace, name, pointer) if namespace in self._reach else None

    def versions_by_digest(self, namespace: str, name: str, prefix: str) -> Sequence[VersionRecord]:
        return self._inner.versions_by_digest(namespace, name, prefix) if namespace in self._reach else ()

    def versions_by_commit(self, namespace: str, name: str, prefix: str) -> Sequence[VersionRecord]:
        return self._inner.versions_by_commit(namespace, name, prefix) if namespace in self._reach else ()

    def newest_version(self, namespace: str, name: str) -> VersionRecord | None:
        return self._inner.newest_version(namespace, name) if namespace in self._reach else None

    def namespace(self, name: str) -> NamespaceRecord | None:
        return self._inner.namespace(name) if name in self._reach else None

    def namespaces(self, *, after: str = "", limit: int = 100, reach: object = None) -> Sequence[NamespaceRecord]:
        return self._inner.namespaces(after=after, limit=limit, reach=self._reach)

    def models(self, *, after: str = "", limit: int = 100, reach: object = None) -> Sequence[ModelRecord]:
        return self._inner.models(after=after, limit=limit, reach=self._reach)

    def versions_of_structure(self, structure: str, *, limit: int, reach: object = None) -> Sequence[VersionRecord]:
        return self._inner.versions_of_structure(structure, limit=limit, reach=self._reach)

    def parents(self, version_id: int) -> Sequence[VersionRecord]:
        return [each for each in self._inner.parents(version_id) if each.namespace in self._reach]

    def children(self, version_id: int) -> Sequence[VersionRecord]:
        return [each for each in self._inner.children(version_id) if each.namespace in self._reach]

    def search(self, query: Query, *, cursor: str = "", limit: int = 100, reach: object = None) -> VersionPage:
        return self._inner.search(query, cursor=cursor, limit=limit, reach=self._reach)

    def ledger(
        self, *, after: int = 0, limit: int = 100, subject: str = "", reach: object = None
    ) -> Sequence[LedgerEntry]:
        return self._inner.ledger(after=after, limit=limit, subject=subject, reach=self._reach)

    def find_blocks(self, ids: Sequence[BlockId], *, reach: object = None) -> Mapping[BlockId, BlockRow]:
        return self._inner.find_blocks(ids, reach=self._reach)

    def all_versions(self, *, after_id: int = 0, limit: int = 1000) -> Sequence[VersionRecord]:
        raise AssertionError("what looks at every version is not for one caller")

    def add_model(self, namespace: str, name: str, kind: Kind, owner: str, at_ms: int) -> ModelRecord:
        if namespace not in self._reach or self._inner.namespace(namespace) is None:
            raise NamespaceNotFound(f"There is no namespace {namespace!r}.", namespace=namespace)
        return self._inner.add_model(namespace, name, kind, owner, at_ms)
