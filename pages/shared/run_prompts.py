"""The Runs page: write or paste a new prompt set."""

from __future__ import annotations

import streamlit as st

from backend.errors import SteerscopeError
from backend.studies.prompt_sets import (
    LINE_BREAK,
    Lines,
    NewSet,
    publish_prompt_set,
    starting_lines,
)
from pages.shared import data
from pages.shared.address import segmented, select
from pages.shared.plain import as_text
from pages.shared.run_compare import VIEW
from pages.shared.sidebar import Selection

_EMPTY = "(empty)"
_TYPE, _PASTE = "type", "paste"
_DRAFTS, _OUTCOME = "prompt_drafts", "prompt_set_outcome"
_NAME, _AUTHOR, _TABLE = "new_set_name", "new_set_author", "new_set_table"
_EXAMPLE = '{"trait": "warmth", "pole": "high", "text": "I am glad you said that."}'


def new_prompt_set(chosen: Selection) -> None:
    """Fields for a new set of the chosen study, and the button that checks and adds it."""
    study = chosen.study
    if study is None:
        st.info("Import a study first: a prompt set belongs to one.")
        return
    st.markdown(
        f"A new prompt set for **{as_text(study.title)}** (`{study.key}`). A study never changes, "
        "so this makes its next revision: all its prompt sets and responses as they are, and the "
        "new set. Every trait needs the set, with at least two prompts of each pole."
    )
    outcome_shown()
    how = segmented(
        "How",
        [_TYPE, _PASTE],
        "prompts_how",
        {_TYPE: "Type, trait by trait", _PASTE: "Paste a table"},
    )
    start = None
    if how == _TYPE:
        sets = {name: name for name in study.prompt_sets} | {_EMPTY: "nothing"}
        begun = select("Start from", list(sets), "prompts_start", sets)
        start = None if begun == _EMPTY else begun
        _fields(study.key, start, tuple(study.traits), chosen.trait)
    else:
        st.text_area(
            "Prompts as jsonl, or as csv with a header",
            key=_TABLE,
            height=260,
            placeholder=f"{_EXAMPLE}\n...",
            help="Columns trait, pole (high or low) and text; a prompt_set column is replaced by "
            "the name below. All traits in one table.",
        )
    left, right = st.columns(2)
    left.text_input("Name of the set", key=_NAME, max_chars=60)
    right.text_input(
        "Who wrote it", key=_AUTHOR, help="Added to the study's provenance; may be left empty."
    )
    st.button(
        "Check and add the set",
        type="primary",
        icon=":material/playlist_add:",
        on_click=_add,
        args=(study.key, start, how),
    )


def outcome_shown() -> None:
    """What became of the set that was added last, once."""
    outcome = st.session_state.pop(_OUTCOME, None)
    if isinstance(outcome, SteerscopeError):
        with data.faults_shown():
            raise outcome
    elif outcome is not None:
        st.success(
            f"The set is in the new revision **{as_text(str(outcome))}**, chosen in the sidebar "
            "now. The old revision stays. Start an extraction to see what the new prompts do.",
            icon=":material/playlist_add_check:",
        )


def _fields(study: str, start: str | None, traits: tuple[str, ...], chosen_trait: str) -> None:
    """Two fields for one trait; what was typed for the others is kept."""
    begun = starting_lines(data.settings(), study, start) if start else {}
    drafts = _drafts(study, start)
    names = {trait: trait.replace("_", " ") for trait in traits}
    options = sorted(traits, key=lambda trait: trait != chosen_trait)
    trait = select("Trait to write", options, "prompts_trait", names)
    lines = drafts.get(trait, begun.get(trait, Lines("", "")))
    fields = {}
    for column, pole in zip(st.columns(2), ("high", "low"), strict=True):
        fields[pole] = column.text_area(
            f"{names[trait]}, {pole}: one prompt a line",
            value=getattr(lines, pole),
            key=_field_key(study, start, trait, pole),
            height=320,
            help=f"Empty lines are skipped. {LINE_BREAK} stands for a line break in a prompt.",
        )
    drafts[trait] = Lines(fields["high"], fields["low"])
    changed = [names[t] for t, typed in drafts.items() if typed != begun.get(t, Lines("", ""))]
    rest = f"The other traits are copied from {start!r}." if start else "The others are empty."
    st.caption(as_text(f"Changed so far: {', '.join(changed) or 'nothing'}. {rest}"))


def _drafts(study: str, start: str | None) -> dict[str, Lines]:
    """Trait -> what was typed so far, for this study and start."""
    kept: dict[tuple[str, str | None], dict[str, Lines]] = st.session_state.setdefault(_DRAFTS, {})
    return kept.setdefault((study, start), {})


def _field_key(study: str, start: str | None, trait: str, pole: str) -> str:
    return f"prompts-{study}-{start}-{trait}-{pole}"


def _add(study: str, start: str | None, how: str) -> None:
    """Check and publish; runs before the page is drawn, so that the sidebar shows the revision."""
    drafts = _drafts(study, start)
    for trait in list(drafts):
        keys = [_field_key(study, start, trait, pole) for pole in ("high", "low")]
        if all(key in st.session_state for key in keys):
            drafts[trait] = Lines(*(st.session_state[key] for key in keys))
    new = NewSet(
        study=study,
        name=st.session_state[_NAME].strip(),
        author=st.session_state[_AUTHOR],
        start=start,
        typed=drafts,
        pasted=st.session_state[_TABLE] if how == _PASTE else None,
    )
    try:
        ref = publish_prompt_set(data.settings(), new)
    except SteerscopeError as fault:
        st.session_state[_OUTCOME] = fault
        return
    drafts.clear()
    st.session_state.update({"study": ref.key, "prompts": new.name, VIEW: "extract"})
    st.session_state[_OUTCOME] = ref.key
