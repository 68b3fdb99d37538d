"""r over all turns of conversations, told apart into between and within conversations.

Turns of one conversation are dependent, so intervals and p are over groups of conversations
(:mod:`backend.core.statistics.clustered`). The r within conversations is that of Bland and Altman
(1995, BMJ 310: 446), the repeated measures correlation; its interval is not theirs, which takes
turns of a conversation as independent once its mean is out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from backend.core.arrays import Floats, Integers
from backend.core.cases import Cases
from backend.core.estimate import GROUPED_Z, Estimate
from backend.core.statistics.clustered import correlations_of
from backend.core.statistics.correlation import FLAT, over_groups, pearson

# The means of more turns than this are not taken out: a table of turns by responses would not fit.
MOST_TURNS = 500
# Groups times turns cubed: beyond this, fitting the means of the turns without each group would
# take longer than a page should.
MOST_REFITS = 3e8
TURNS_KNOWN = f"{GROUPED_Z}; the means of the turns are taken as known"


@dataclass(frozen=True, eq=False)
class TurnCases:
    """One pair (x, y) a turn.

    Attributes:
        cases: projection and score at every scored turn, [n]; whole conversations are in a group.
        conversations: 0..k-1, [n]: the conversation of each.
        turns: 0..t-1, [n]: which turn each is.
    """

    cases: Cases
    conversations: Integers
    turns: Integers

    def in_several_turns(self) -> TurnCases:
        """Those of conversations with two turns or more: the others say nothing within one."""
        counts = np.bincount(self.conversations, minlength=1)
        kept = np.flatnonzero(counts[self.conversations] > 1)
        return TurnCases(
            self.cases.subset(kept),
            np.unique(self.conversations[kept], return_inverse=True)[1],
            np.unique(self.turns[kept], return_inverse=True)[1],
        )


@dataclass(frozen=True)
class TurnCorrelations:
    """r of projection and score over turns, [-1, 1].

    Attributes:
        every: over all turns, within responders: between and within conversations mixed.
        between: of the means of the conversations, each counted once, within responders.
        within: of what is left when each conversation's mean is taken out.
        given_turn: the same, with the mean of each turn taken out too, so that what all
            conversations do as they go on makes no r.
    """

    every: Estimate
    between: Estimate
    within: Estimate
    given_turn: Estimate


def over_turns(found: TurnCases) -> TurnCorrelations:
    """r over all turns, between and within conversations; each undefined with its reason.

    Args:
        found: every scored turn.
    """
    return TurnCorrelations(
        every=pearson(found.cases),
        between=pearson(conversation_means(found)),
        within=within_conversations(found),
        given_turn=within_conversations(found, given_turn=True),
    )


def conversation_means(found: TurnCases) -> Cases:
    """Mean projection and mean score of every conversation, one case each."""
    _, first = np.unique(found.conversations, return_index=True)
    counts = np.bincount(found.conversations)

    def mean(values: Floats) -> Floats:
        means: Floats = np.bincount(found.conversations, values) / counts
        return means

    one = found.cases.subset(first)
    return one.with_x(mean(found.cases.x)).with_y(mean(found.cases.y))


def within_conversations(found: TurnCases, *, given_turn: bool = False) -> Estimate:
    """Pearson's r of values from which the mean of their conversation is taken.

    Fisher's z with its jackknife error over groups of conversations, Student's t with groups - 1.
    Undefined where fewer than 3 turns are in conversations of several, or a side does not vary.

    Args:
        found: every scored turn.
        given_turn: take the mean of each turn out too, by least squares where some conversations
            lack some turns. Without each group they are fitted anew, as they are estimates too;
            beyond ``MOST_REFITS`` they are taken as known, and ``interval_method`` says so.
    """
    several = found.in_several_turns()
    n = len(several.cases)
    if n < 3:
        return Estimate.undefined(
            n, f"r needs at least 3 scored turns in conversations of several, and there are {n}"
        )
    conversations = int(several.conversations.max()) + 1
    turns = int(several.turns.max()) + 1
    if given_turn and turns > MOST_TURNS:
        return Estimate.undefined(n, f"{turns} different turns are more than {MOST_TURNS}")
    columns = np.column_stack([several.cases.x, several.cases.y])
    left = _centred(columns, several.conversations)
    dummies = np.empty((n, 0))
    if given_turn:
        present = np.zeros((n, turns))
        present[np.arange(n), several.turns] = 1.0
        # One turn is what the others are counted from.
        dummies = _centred(present, several.conversations)[:, 1:]
        left = left - dummies @ np.linalg.lstsq(dummies, left, rcond=None)[0]
    where = "conversation, turn by turn" if given_turn else "conversation"
    for side, name in enumerate(("projections", "scores")):
        if np.abs(left[:, side]).max() <= FLAT * np.abs(columns[:, side]).max():
            return Estimate.undefined(n, f"the {name} do not vary within any {where}")
    inner = several.cases.pooled().with_x(left[:, 0]).with_y(left[:, 1])
    r = pearson(inner)
    if given_turn and r.value is not None and r.low is not None and r.groups is not None:
        if r.groups * turns**3 <= MOST_REFITS:
            r = over_groups(r.value, inner, _refitted(left, dummies, inner))
        else:
            r = dataclasses.replace(r, interval_method=TURNS_KNOWN)
    most = n - (conversations - 1) - (turns - 1 if given_turn else 0)
    if r.effective is None:
        return r
    return dataclasses.replace(r, effective=min(r.effective, float(max(most, 0))))


def _refitted(left: Floats, dummies: Floats, cases: Cases) -> Floats:
    """r without each group, [groups], with the means of the turns fitted to the others.

    Args:
        left: what the fit to all cases leaves of both sides, [n, 2].
        dummies: which turn each case is, less the mean of its conversation, [n, t - 1].
        cases: whose groups they are; whole conversations are in one.
    """
    square, products = dummies.T @ dummies, left.T @ left
    found = np.empty((cases.group_count, 2, 2))
    order = np.argsort(cases.groups, kind="stable")
    ends = np.cumsum(np.bincount(cases.groups, minlength=cases.group_count))
    for group, own in enumerate(np.split(order, ends[:-1])):
        rows, turns = left[own], dummies[own]
        # What all cases leave is orthogonal to every turn, so without a group only its part counts.
        part = turns.T @ rows
        # A turn that only this group has leaves nothing to solve for: hence the pseudo-inverse.
        inverse = np.linalg.pinv(square - turns.T @ turns, rcond=FLAT, hermitian=True)
        found[group] = products - rows.T @ rows - part.T @ inverse @ part
    # A side that varies by rounding alone does not vary.
    for side in range(2):
        found[found[:, side, side] <= FLAT * products[side, side], side, side] = 0.0
    return correlations_of(found, 0, 1)


def _centred(columns: Floats, groups: Integers) -> Floats:
    """Columns from which the mean of their group is taken, [n, c]."""
    counts = np.bincount(groups)
    sums = np.stack([np.bincount(groups, column) for column in columns.T], axis=1)
    left: Floats = columns - (sums / counts[:, None])[groups]
    return left


def numbered(names: Sequence[tuple[str, str]]) -> Integers:
    """Conversations, by scenario and responder, as 0..k-1 in the order of first appearance, [n]."""
    places: dict[tuple[str, str], int] = {}
    return np.array([places.setdefault(name, len(places)) for name in names], np.intp)
