"""Prompts that a user wants dropped or written anew, before anything is made of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from backend.errors import SteerscopeError

# Longer addresses are cut by some browsers and mail programs.
LONGEST_LINK = 6_000
LONGEST_TEXT = 20_000


@dataclass(frozen=True)
class Basket:
    """Changes to the prompts of one study. A prompt is dropped or edited, not both.

    Attributes:
        dropped: numbers of the prompts that are left out.
        edited: (number, new text) of those that are written anew, by number.
    """

    dropped: frozenset[int] = frozenset()
    edited: tuple[tuple[int, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.dropped or self.edited)

    @property
    def texts(self) -> dict[int, str]:
        """Number -> new text."""
        return dict(self.edited)

    @property
    def summary(self) -> str:
        """Such as "2 dropped, 1 edited"; empty where there is nothing."""
        counts = ((len(self.dropped), "dropped"), (len(self.edited), "edited"))
        return ", ".join(f"{count} {what}" for count, what in counts if count)

    def drop(self, *numbers: int) -> Basket:
        """With some prompts dropped, whatever was written for them."""
        kept = tuple(entry for entry in self.edited if entry[0] not in numbers)
        return Basket(self.dropped | set(numbers), kept)

    def edit(self, number: int, text: str, before: str) -> Basket:
        """With a prompt written anew.

        Args:
            number: of the prompt.
            text: its new text, blanks around it left out; empty drops the prompt.
            before: its text in the study; the same text is no change.
        """
        wanted = text.strip()
        if not wanted:
            return self.drop(number)
        if wanted == before.strip():
            return self.restore(number)
        edited = self.texts | {number: wanted[:LONGEST_TEXT]}
        return Basket(self.dropped - {number}, tuple(sorted(edited.items())))

    def restore(self, number: int) -> Basket:
        """With a prompt as it is in the study."""
        return replace(
            self,
            dropped=self.dropped - {number},
            edited=tuple(entry for entry in self.edited if entry[0] != number),
        )

    def to_link(self, study: str) -> str | None:
        """For an address, with the study whose prompts are numbered; None if it is too long.

        Args:
            study: ``name@hash``.
        """
        values: dict[str, object] = {"study": study, "dropped": sorted(self.dropped)}
        if self.edited:
            values["edited"] = {str(number): text for number, text in self.edited}
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
        return text if len(text) <= LONGEST_LINK else None


def basket_from_link(text: str, study: str) -> Basket:
    """The basket that an address carries; empty if it is of another study.

    Args:
        text: as made by :meth:`Basket.to_link`.
        study: ``name@hash`` of the shown study.

    Raises:
        SteerscopeError: the text is none.
    """
    wrong = SteerscopeError(
        "The link's list of dropped and edited prompts cannot be read.",
        expected="the address as the page wrote it.",
        remedy="copy the whole link again, or choose the prompts here.",
    )
    if len(text) > LONGEST_LINK:
        raise wrong
    try:
        values = json.loads(text)
        if values["study"] != study:
            return Basket()
        edited = {int(number): str(new) for number, new in values.get("edited", {}).items()}
        dropped = frozenset(int(number) for number in values["dropped"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
        raise wrong from fault
    return Basket(dropped, tuple(sorted(edited.items())))
