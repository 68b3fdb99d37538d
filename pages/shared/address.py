"""Choices that live in the page's address, so that a link opens the same view elsewhere.

Streamlit can bind a widget to the address itself, but it writes the *displayed* option there: a
title or a time, which changes when another study is imported. A link must outlive that, so the
option's own key is written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import streamlit as st

from pages.shared.plain import as_text

Option = TypeVar("Option", bound=str)


def select(label: str, options: Sequence[Option], key: str, names: Mapping[Option, str]) -> Option:
    """A select box whose choice is read from and written to the address.

    Args:
        label: what is chosen.
        options: keys that may be chosen, the default first; not empty.
        key: name of the choice in the address and in the session.
        names: option -> what is displayed.

    Returns:
        The chosen option. A choice that is no longer offered falls back to the default.
    """
    _prepare(key, options)
    chosen = st.selectbox(label, options, key=key, format_func=lambda option: names[option])
    write(key, chosen)
    return chosen


def segmented(
    label: str,
    options: Sequence[Option],
    key: str,
    names: Mapping[Option, str],
    help: str | None = None,
    former: Mapping[str, str] | None = None,
) -> Option:
    """Like :func:`select`, as a row of buttons; for up to five short options.

    Args:
        label: what is chosen.
        options: keys that may be chosen, the default first; not empty.
        key: name of the choice in the address and in the session.
        names: option -> what is displayed.
        help: shown beside the label.
        former: what an option was called before -> the option, so that old links open.
    """
    _prepare(key, options, former)
    chosen = st.segmented_control(
        label, options, key=key, format_func=lambda option: names[option], help=help, required=True
    )
    assert chosen is not None  # required
    write(key, chosen)
    return chosen


def slider(
    label: str,
    low: float,
    high: float,
    step: float,
    default: float,
    key: str,
) -> float:
    """A slider whose value is read from and written to the address.

    A value in the address that is no number, or out of range, falls back to the default.
    """
    wanted = st.session_state.get(key, st.query_params.get(key, default))
    try:
        value = float(wanted)
    except ValueError:
        value = default
    st.session_state[key] = value if low <= value <= high else default
    chosen = st.slider(label, low, high, step=step, key=key)
    write(key, f"{chosen:g}")
    return float(chosen)


def several(
    label: str,
    options: Sequence[str],
    key: str,
    names: Mapping[str, str],
    default: Sequence[str] | None = None,
) -> list[str]:
    """Buttons of which any number may be pressed, kept in the address as a list.

    By default those of ``default`` are pressed, or all; so too if none of a choice is offered
    any longer.
    """
    wanted = st.session_state.get(key)
    if wanted is None:
        written = st.query_params.get(key)
        wanted = None if written is None else [part for part in written.split(",") if part]
    if wanted is None or (wanted and not set(wanted) & set(options)):
        wanted = options if default is None else default
    st.session_state[key] = [option for option in options if option in wanted]
    chosen = st.pills(
        label,
        options,
        key=key,
        selection_mode="multi",
        format_func=lambda option: as_text(names[option]),
    )
    write(key, ",".join(chosen))
    return [str(option) for option in chosen]


def toggle(label: str, key: str, help: str | None = None) -> bool:
    """A switch, off by default, whose state is read from and written to the address."""
    wanted = st.session_state.get(key, st.query_params.get(key) == "on")
    st.session_state[key] = bool(wanted)
    chosen = st.toggle(label, key=key, help=help)
    write(key, "on" if chosen else "off")
    return bool(chosen)


def _prepare(key: str, options: Sequence[str], former: Mapping[str, str] | None = None) -> None:
    wanted = st.session_state.get(key, st.query_params.get(key))
    if former and wanted in former:
        wanted = former[wanted]
    st.session_state[key] = wanted if wanted in options else options[0]


def write(key: str, value: str) -> None:
    """Keep a choice in the address, defaults too: the newest run of today is not tomorrow's."""
    if st.query_params.get(key) != value:
        st.query_params[key] = value
