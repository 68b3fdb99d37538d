"""The registered causes, one file each in :mod:`backend.views.diagnosis.rules`.

A new cause is one file with a ``RULE`` and one line here.
"""

from __future__ import annotations

from collections.abc import Sequence

from backend.views.diagnosis.cause import Rule
from backend.views.diagnosis.rules import (
    compressed,
    few_scenarios,
    first_token,
    length_confound,
    massive_coordinate,
    other_layer,
    outliers,
    poles,
    probes,
    score_ends,
    steering,
    unreliable_judge,
    unstable_vector,
)


def judging_order(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules so that each comes after those it reads, else in their order.

    Raises:
        ValueError: two rules judge one cause, a rule reads a cause that none judges, or rules
            read one another in a circle.
    """
    known = {rule.cause for rule in rules}
    if len(known) < len(rules):
        raise ValueError(f"two rules judge one cause: {', '.join(rule.cause for rule in rules)}")
    for rule in rules:
        if unknown := set(rule.after) - known:
            raise ValueError(
                f"no rule judges {', '.join(sorted(unknown))}, which {rule.cause} reads"
            )
    waiting = list(rules)
    order: list[Rule] = []
    while waiting:
        judged = {rule.cause for rule in order}
        ready = next((rule for rule in waiting if judged.issuperset(rule.after)), None)
        if ready is None:
            raise ValueError(f"rules read each other: {', '.join(rule.cause for rule in waiting)}")
        waiting.remove(ready)
        order.append(ready)
    return tuple(order)


def registered(*rules: Rule) -> tuple[Rule, ...]:
    """The rules as given, once they are known to have an order.

    Raises:
        ValueError: as :func:`judging_order`.
    """
    judging_order(rules)
    return rules


# Their order decides between causes that are equally likely.
RULES = registered(
    few_scenarios.RULE,
    score_ends.RULE,
    compressed.RULE,
    unreliable_judge.RULE,
    *outliers.RULES,
    *poles.RULES,
    unstable_vector.RULE,
    first_token.RULE,
    massive_coordinate.RULE,
    other_layer.RULE,
    length_confound.RULE,
    *probes.RULES,
    *steering.RULES,
)
