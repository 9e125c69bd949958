"""A house as somebody sees it."""

from dataclasses import replace

from budwood.catalog.sql.sqlite import SqliteCatalog
from budwood.wiring import in_memory


def test_a_house_seen_by_somebody_is_the_same_but_for_them_and_what_they_may_see() -> None:
    with in_memory(author="mara") as registry:
        # Not a field may be forgotten, nor two be exchanged.
        house = replace(registry.house, has_cold_store=True)
        other = SqliteCatalog.in_memory()
        assert house.seen(other, "ada") == replace(house, catalog=other, author="ada")
        other.close()
