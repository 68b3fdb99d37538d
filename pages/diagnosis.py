"""Why does this trait fail or hardly work, or what limits it?"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from backend.core.finding import Verdict
from backend.core.status import status_of
from backend.views.diagnosis import words
from backend.views.diagnosis.cause import Fix, Judgement
from backend.views.diagnosis.compute import diagnose_run, fix_pipeline, r_of_fix
from backend.views.diagnosis.diagnose import Diagnosis
from backend.views.diagnosis.figures import fix_gains
from backend.views.diagnosis.tables import evidence_rows
from backend.views.layers.compute import layer_choices
from backend.views.layers.words import worth_of_choice
from backend.views.shared.numbers import r_text
from pages.shared import data
from pages.shared.add_prompts_form import add_prompts_form
from pages.shared.address import segmented
from pages.shared.evidence import evidence_on_request
from pages.shared.figures import show
from pages.shared.lab_link import try_in_lab
from pages.shared.navigate import open_page
from pages.shared.notes import notes_expander
from pages.shared.plain import as_table
from pages.shared.sidebar import selection
from pages.shared.states import require_run

_FIXES = "fixes"


def _try(cause: str, fix: Fix) -> None:
    """A way to see the fix: in the lab, at its layer, or by extracting again."""
    pipeline, key = fix_pipeline(fix), f"try_{cause}"
    if pipeline is not None:
        try_in_lab("Try it", key, pipeline, fix.layer)
        return
    label, icon, page = "Compare with all methods", ":material/leaderboard:", "pages/methods.py"
    passing: dict[str, object] = {}
    if fix.layer is not None:
        label, icon, page = f"Look at layer {fix.layer}", ":material/layers:", "pages/layers.py"
        passing = {"layer": str(fix.layer)}
    elif fix.pooling is not None:
        label, icon, page = "Extract again", ":material/play_circle:", "pages/runs.py"
    st.button(
        label,
        key=key,
        icon=icon,
        type="primary",
        on_click=open_page,
        args=(page, {}, None, passing),
    )


def _card(diagnosis: Diagnosis, judgement: Judgement) -> None:
    """Cause, fix and gain, with a button."""
    fix = judgement.fix
    with st.container(border=True):
        cause, remedy, gain = st.columns([1.3, 1, 1.1])
        with cause:
            st.markdown(
                f":small[{words.cause_label(judgement)}]  \n**{judgement.title}**  \n"
                f"{judgement.summary}"
            )
        with remedy:
            if fix is None:
                st.markdown(f":small[Fix]  \n{words.no_fix(judgement)}")
                return
            st.markdown(f":small[Fix]  \n**{fix.label}**")
            _try(judgement.cause, fix)
        with gain:
            st.markdown(f":small[Gain in r]  \n**{words.gain_sentence(fix.gain)}**")
            after = data.results().of_run(
                r_of_fix,
                run.run_id,
                chosen.prompt_set,
                diagnosis.trait,
                diagnosis.layer,
                fix,
            )
            if after.value is not None:
                before = r_text(diagnosis.r, count=False)
                st.markdown(
                    f":small[On all scenarios:  \nr before {before}  \n"
                    f"r after {r_text(after, count=False)}]",
                    help=words.HELD_OUT,
                )


def _every(judgements: Sequence[Judgement], *, opened: bool) -> None:
    """The evidence of some causes, each under its own heading."""
    offered = False
    for judgement in judgements:
        with st.expander(f"**{judgement.title}.** {judgement.summary}", expanded=opened):
            # Above the table, which gets its height a moment after the rest: a button below it
            # moves away from under the pointer.
            if judgement.fix is not None and not opened:
                _try(judgement.cause, judgement.fix)
            # A table that wraps: on a phone a scrolling one shows its first column alone.
            st.table(as_table(evidence_rows(judgement)), border="horizontal", hide_index=True)
            st.caption(f"Looks alike: {judgement.confusions}")
            if command := words.other_wording(judgement, run):
                st.caption(words.OTHER_WORDING)
                st.code(command, language=None, wrap_lines=True)
                offered = True
    if offered:
        add_prompts_form(run)


def _details(diagnosis: Diagnosis) -> None:
    """What stands behind the answer; only what is chosen is drawn."""
    own: dict[Verdict, list[Judgement]] = {"supported": [], "undetermined": [], "ruled out": []}
    for judgement in diagnosis.judgements:
        own[judgement.verdict].append(judgement)
    titles: dict[str, str] = {
        verdict: f"{len(causes)} {verdict}" for verdict, causes in own.items() if causes
    }
    # What is ruled out is looked at last.
    order = sorted([*titles, _FIXES], key=lambda option: option == "ruled out")
    titles[_FIXES] = "Every fix"
    view = segmented("Evidence", order, "diagnosis_view", titles, help=words.VERDICTS)
    if view == _FIXES:
        st.caption(words.GAINS)
        show(fix_gains(diagnosis), "gains", "What every measured fix does to r")
        return
    for verdict, causes in own.items():
        if verdict == view:
            _every(causes, opened=verdict == "supported")


chosen = selection()
title = st.empty()
title.title(words.title("undefined"))
run = require_run(chosen)
with data.faults_shown():
    results = data.results()
    limits = results.thresholds
    (diagnosis,) = results.of_run(
        diagnose_run,
        run.run_id,
        chosen.prompt_set,
        chosen.trait,
        chosen.layer,
        limits,
        results.steering(run.run_id),
    )
    title.title(words.title(status_of(diagnosis.r.value, limits)))
    of_layers = 1 if chosen.layer is not None else len(run.record.layers)
    st.markdown(words.status_line(diagnosis, limits, of_layers))
    if chosen.layer is None:
        choices = results.of_run(layer_choices, run.run_id, chosen.prompt_set, limits)
        for choice in choices:
            if choice.trait == chosen.trait:
                st.caption(worth_of_choice(choice))
    if not diagnosis.supported:
        st.subheader(diagnosis.headline)
    for judgement in diagnosis.told:
        _card(diagnosis, judgement)
    if stronger := words.stronger_fix(diagnosis):
        st.caption(stronger)
    _details(diagnosis)
    if run.has_model and not words.steering_measured(diagnosis):
        st.page_link("pages/dose.py", label=words.STEERING, icon=":material/science:")
    evidence_on_request(run.run_id, chosen.trait, chosen.prompt_set, diagnosis.layer)
    notes_expander(run, chosen.trait, chosen.prompt_set, diagnosis.layer)
