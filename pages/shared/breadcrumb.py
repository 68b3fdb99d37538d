"""Where a page looks: study, model, trait and layer, in a line above it."""

from __future__ import annotations

import streamlit as st

from pages.shared.address import not_found
from pages.shared.plain import as_text
from pages.shared.sidebar import Selection

# How much of study, model, trait and layer a page shows; all of it unless it is named here.
_DEPTHS = {
    "": 1,
    "layers": 3,
    "methods": 2,
    "report": 1,
    "runs": 1,
    "scores": 3,
    "study_tests": 1,
    "transfer": 1,
}
_SIMULATED = ":orange-badge[:material/science: simulated study: no model read these texts]"


def breadcrumb(chosen: Selection, path: str) -> None:
    """Say what the page shows, on every page whether it is simulated, and what a link asked for
    that is not here.

    Args:
        chosen: the sidebar's choices.
        path: of the page, in its address; empty for the first page.
    """
    parts = _parts(chosen)[: _DEPTHS.get(path, 4)]
    if parts:
        said = " › ".join(as_text(part) for part in parts)
        simulated = chosen.run is not None and chosen.run.simulated
        st.markdown(f":small[{said}]" + (f" {_SIMULATED}" if simulated else ""))
    missing = not_found()
    if missing:
        asked = ", ".join(f"{label.lower()} `{_code(value)}`" for label, value in missing.items())
        instead = "Something else is shown instead." if parts else "Nothing is here yet."
        st.warning(
            f"**This link names what is not in this store: {asked}.** {instead} Choose in the "
            "sidebar, or ask the sender of the link for the file of the study or run.",
            icon=":material/link_off:",
        )


def _parts(chosen: Selection) -> list[str]:
    if chosen.study is None:
        return []
    parts = [chosen.study_name]
    if len(chosen.study.prompt_sets) > 1:
        parts[0] += f" ({chosen.prompt_set})"
    if chosen.run is not None:
        layer = "best layer" if chosen.layer is None else f"layer {chosen.layer}"
        parts += [chosen.run.label, chosen.trait.replace("_", " "), layer]
    return parts


def _code(text: str) -> str:
    return text.replace("`", "'")[:80]
