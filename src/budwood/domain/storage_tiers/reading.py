"""A namespace's tiering policy from the plain values of a document: understood whole, or refused by name.

The shape is that of policies (``domain/policy/reading.py``). A field nobody knows is an error: a typing mistake must
not send bytes away.
"""

from collections.abc import Mapping
from typing import Any, Final

from budwood.domain.document import Reader, said
from budwood.domain.limits import TIER_RULES
from budwood.domain.names import Kind, Stage
from budwood.domain.storage_tiers.values import USUAL_PRICES, Arrival, Price, Prices, StorageTier, Tiering, TierRule
from budwood.errors import BadPolicy

API_VERSION: Final = "budwood.dev/v1"
KIND: Final = "Tiering"
_MOST_PRICE: Final = 1e6
_READ: Final = Reader(BadPolicy, items=TIER_RULES)


def read_tiering(document: object) -> Tiering:
    """Raises BadPolicy, naming the field and the fix."""
    top = _READ.head(document, API_VERSION, KIND)
    spec = _READ.fields(top["spec"], "spec", optional=("push", "rules", "prices"))
    push = _READ.word(Arrival)(spec["push"], "spec.push") if "push" in spec else None
    return Tiering(_READ.each(spec, "rules", "spec", _rule), push, _prices(spec))


def _rule(value: object, at: str) -> TierRule:
    given = _READ.fields(value, at, required=("tier",), optional=("stages", "kinds", "models", "age", "unused"))
    return TierRule(
        tier=_READ.word(StorageTier)(given["tier"], f"{at}.tier"),
        stages=_READ.each(given, "stages", at, _READ.word(Stage)),
        kinds=_READ.each(given, "kinds", at, _READ.word(Kind)),
        models=_READ.each(given, "models", at, _READ.pattern),
        age_s=_READ.lasts_s(given.get("age", 0), f"{at}.age"),
        unused_s=_READ.lasts_s(given.get("unused", 0), f"{at}.unused"),
    )


def _prices(spec: Mapping[str, Any]) -> Prices:
    if "prices" not in spec:
        return USUAL_PRICES
    tiers = tuple(str(tier) for tier in StorageTier)
    given = _READ.fields(spec["prices"], "spec.prices", optional=("currency", *tiers))
    currency = given.get("currency", USUAL_PRICES.currency)
    if not isinstance(currency, str) or not currency.isalpha() or len(currency) != 3 or not currency.isascii():
        _READ.bad("spec.prices.currency", f"is {said(currency)}", "Three letters: EUR.")
    found = {tier: _price(given[tier], f"spec.prices.{tier}") if tier in given else Price() for tier in tiers}
    return Prices(currency.upper(), **found)


def _price(value: object, at: str) -> Price:
    given = _READ.fields(value, at, optional=("stored", "read"))
    amounts = {
        name: _READ.number(given[name], f"{at}.{name}", least=0, most=_MOST_PRICE) if name in given else 0.0
        for name in ("stored", "read")
    }
    return Price(**amounts)
