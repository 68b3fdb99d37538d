"""A study from a trait in a sentence: write it, look at it, have it judged."""

from __future__ import annotations

import streamlit as st

from pages.shared.address import segmented
from pages.shared.asking_tasks import VIEW, asking_tasks
from pages.shared.judge_form import judge_form
from pages.shared.respond_form import respond_form
from pages.shared.sidebar import selection
from pages.shared.states import show_broken
from pages.shared.write_form import write_form

_VIEWS = {"write": "Write a study", "judge": "Judge", "respond": "New responses"}

chosen = selection()
st.title("New study")
show_broken()
view = segmented("What to do", list(_VIEWS), VIEW, _VIEWS)
asking_tasks()
if view == "judge":
    judge_form(chosen)
elif view == "respond":
    respond_form(chosen)
else:
    write_form()
