"""Whose reviews count, and whether they are enough: different people, none who made what they would let through."""

from collections.abc import Mapping, Sequence

from budwood.domain.policy.case import Case, Review
from budwood.domain.policy.policy import Left, ReviewRule


def counting(rule: ReviewRule, case: Case) -> frozenset[str]:
    """The people whose review counts for a rule."""
    return frozenset(review.person for review in _newest(case) if not why_not(rule, review, case))


def why_not(rule: ReviewRule, review: Review, case: Case) -> str:
    """Why a review does not count for a rule; "" when it does."""
    since = review.roles.get(rule.role)
    if not review.approves:
        return "it is a no"
    if review.binds != case.binds:
        return "something changed after it"
    if since is None:
        return f"{review.person} is no {rule.role}"
    if since > case.requested_ms:
        return f"{review.person} became {rule.role} after the request"
    if rule.valid_ms and not 0 <= case.now_ms - review.at_ms <= rule.valid_ms:
        return "it ran out"
    if Left.REQUESTER in rule.left_out and review.person in case.requesters:
        return f"{review.person} made the request"
    if Left.AUTHOR in rule.left_out and review.person in case.authors:
        return f"{review.person} made the version"
    if Left.EVIDENCE in rule.left_out and review.person in case.evaluators:
        return f"{review.person} gave evidence"
    if Left.TRAINER in rule.left_out and review.person in case.trainers:
        return f"{review.person} trained the version"
    return ""


def nobody_behind(rule: ReviewRule, case: Case) -> tuple[str, ...]:
    """The accounts that did what a reviewer must not have done, and of which nobody knows whose they are: any reviewer
    could be the one. Sorted by name."""
    return tuple(sorted({name for left in rule.left_out for name in case.unknown.get(left, ())}))


def rejected_by(case: Case) -> tuple[str, ...]:
    """Who said no to what is asked now."""
    return tuple(
        sorted(review.person for review in _newest(case) if not review.approves and review.binds == case.binds)
    )


def assigned(rules: Sequence[ReviewRule], eligible: Sequence[frozenset[str]]) -> tuple[frozenset[str], ...]:
    """For each rule the people who fill it, nobody filling two places: as many places as can be filled.

    Places and people are matched by augmenting paths, so that somebody with two roles is used where they are needed.
    """
    places = [at for at, rule in enumerate(rules) for _ in range(rule.count)]
    holder: dict[str, int] = {}
    for place in range(len(places)):
        _seat(place, places, eligible, holder, set())
    filled: list[set[str]] = [set() for _ in rules]
    for person, place in holder.items():
        filled[places[place]].add(person)
    return tuple(frozenset(people) for people in filled)


def _seat(
    place: int, places: Sequence[int], eligible: Sequence[frozenset[str]], holder: dict[str, int], seen: set[str]
) -> bool:
    for person in sorted(eligible[places[place]] - seen):
        seen.add(person)
        if person not in holder or _seat(holder[person], places, eligible, holder, seen):
            holder[person] = place
            return True
    return False


def _newest(case: Case) -> tuple[Review, ...]:
    """The last word of each person: reviews come in the order in which they were given, whatever the clock said."""
    last: Mapping[str, Review] = {review.person: review for review in case.reviews}
    return tuple(last.values())
