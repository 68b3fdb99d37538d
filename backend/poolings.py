"""Which of a text's tokens make its activation: the names of poolings, and what each takes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from backend.errors import UnknownPooling
from backend.types import Pooling

# What is shown for each; the study's comes first and is the default.
_TITLES = {
    "mean": "mean",
    "last": "last token",
    "mean_rest": "mean without the first token",
    "before": "last token before the text",
}
POOLINGS: tuple[Pooling, ...] = tuple(_TITLES)
# Such as first-5 and end-2.
_COUNTED = re.compile(r"(first|end)-([1-9][0-9]{0,3})")
GRAMMAR = f"{', '.join(POOLINGS)}, first-K or end-K with a number K from 1 to 9999"


def parse_pooling(text: str) -> Pooling:
    """A pooling by its name.

    Raises:
        UnknownPooling: there is none of this name.
    """
    name = text.strip()
    if name not in _TITLES and not _COUNTED.fullmatch(name):
        raise UnknownPooling(
            f"{name[:60]!r} is no pooling.",
            expected=f"{GRAMMAR}.",
            remedy="write one of these, such as mean, first-5 (the mean of the first five tokens) "
            "or end-2 (the last token but one).",
        )
    return name


def pooling_title(pooling: Pooling) -> str:
    """What is shown for a pooling; its name where it is none that is known here."""
    counted = _COUNTED.fullmatch(pooling)
    if counted is None:
        return _TITLES.get(pooling, pooling)
    count = int(counted[2])
    if counted[1] == "first":
        return "first token" if count == 1 else f"mean of the first {count} tokens"
    return "last token" if count == 1 else f"token {count} from the end"


def taken_tokens(pooling: Pooling, wanted: Sequence[bool]) -> tuple[bool, ...]:
    """Which tokens a pooling takes; none where it leaves out all of them.

    Args:
        pooling: its name.
        wanted: for each token of what the model reads, whether it is one of the text's own; at
            least one is.
    """
    own = [place for place, one in enumerate(wanted) if one]
    counted = _COUNTED.fullmatch(pooling)
    if counted is not None:
        count = int(counted[2])
        from_end = own[-count : len(own) - count + 1] if count <= len(own) else []
        own = own[:count] if counted[1] == "first" else from_end
    elif pooling == "last":
        own = own[-1:]
    elif pooling == "mean_rest":
        own = [place for place in own if place > 0]
    elif pooling == "before":
        own = [own[0] - 1] if own[0] > 0 else []
    elif pooling != "mean":
        parse_pooling(pooling)
    taken = set(own)
    return tuple(place in taken for place in range(len(wanted)))


def takes_one(pooling: Pooling) -> bool:
    """Whether an activation is that of a single token, wherever the text has more."""
    return pooling in ("last", "before") or pooling.startswith("end-")


def takes_first(pooling: Pooling) -> bool:
    """Whether an activation is that of a text's beginning, wherever the text has more tokens."""
    return pooling.startswith("first-")
