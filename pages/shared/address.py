"""Choices that live in the page's address, so that a link opens the same view elsewhere.

Streamlit can bind a widget to the address itself, but it writes the *displayed* option there: a
title or a time, which changes when another study is imported. A link must outlive that, so the
option's own key is written here.

All choices of a run are written at once (:func:`gathered`), and a script in the page
(``history.js``) makes one entry of the browser's history for each thing the user does, however
many choices follow from it: Back undoes one click.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.shared.plain import as_text

Option = TypeVar("Option", bound=str)

_GATHERED = "address_gathered"
_NOT_FOUND = "address_not_found"
# So many buttons fill four lines of a narrow page.
_BUTTONS = 12


@contextmanager
def gathered() -> Iterator[None]:
    """Write the choices made inside into the address at once, at the end; around a whole run.

    In a run that Back or Forward started, the choices are those of the address.
    """
    if went_back():
        forget(st.query_params.to_dict())
    st.session_state[_GATHERED] = {}
    try:
        yield
    finally:
        chosen = st.session_state.pop(_GATHERED)
        st.query_params.update(
            {key: value for key, value in chosen.items() if st.query_params.get(key) != value}
        )


@contextmanager
def lasting(prefix: str, but: str) -> Iterator[None]:
    """Keep a page's choices while other pages are looked at; around the page's widgets. What the
    address says goes first.

    Args:
        prefix: that the keys of the choices begin with.
        but: a key that is no choice.
    """
    place = f"choices of {prefix}"
    kept: dict[str, object] = st.session_state.get(place, {})
    for key, value in kept.items():
        if key not in st.session_state and key not in st.query_params:
            st.session_state[key] = value
    try:
        yield
    finally:
        st.session_state[place] = {
            str(key): value
            for key, value in st.session_state.items()
            if str(key).startswith(prefix) and key != but
        }


def went_back() -> bool:
    """Whether Back or Forward started this run, so that choices are those of the address."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def not_found() -> dict[str, str]:
    """What the address asked for in vain on this page: label of the choice -> what was asked."""
    found: dict[str, str] = st.session_state.get(_NOT_FOUND, {})
    return found


def forget_not_found() -> None:
    """Say no more of what was asked for in vain."""
    st.session_state.pop(_NOT_FOUND, None)


def select(
    label: str,
    options: Sequence[Option],
    key: str,
    names: Mapping[Option, str],
    help: str | None = None,
    on_change: Callable[[], None] | None = None,
) -> Option:
    """A select box whose choice is read from and written to the address.

    Args:
        label: what is chosen.
        options: keys that may be chosen, the default first; not empty.
        key: name of the choice in the address and in the session.
        names: option -> what is displayed.
        help: shown beside the label.
        on_change: what is done when the user chooses another.

    Returns:
        The chosen option. A choice that is no longer offered falls back to the default; one that
        the address alone asked for is named by :func:`not_found`.
    """
    _prepare(key, options, label=label)
    chosen = st.selectbox(
        label,
        options,
        key=key,
        format_func=lambda option: names[option],
        help=help,
        on_change=on_change,
    )
    write(key, chosen)
    return chosen


def no_choice(label: str, key: str, default: str = "") -> None:
    """Leave a choice out of the address while there is nothing to choose from, so that it is not
    taken for a link's wish once there is. What a link asks for is named by :func:`not_found`.

    Args:
        label: what would be chosen.
        key: name of the choice in the address and in the session.
        default: what is not missed.
    """
    wanted = st.query_params.get(key)
    if wanted is None:
        return
    if key not in st.session_state and wanted != default:
        st.session_state[_NOT_FOUND] = not_found() | {label: wanted}
    del st.query_params[key]


def segmented(
    label: str,
    options: Sequence[Option],
    key: str,
    names: Mapping[Option, str],
    help: str | None = None,
    former: Mapping[str, str] | None = None,
) -> Option:
    """Like :func:`select`, as a row of buttons; for a few short options.

    Args:
        label: what is chosen.
        options: keys that may be chosen, the default first; not empty.
        key: name of the choice in the address and in the session.
        names: option -> what is displayed.
        help: shown beside the label.
        former: what an option was called before -> the option, so that old links open.
    """
    _prepare(key, options, former, label=label)
    chosen = st.segmented_control(
        label,
        options,
        key=key,
        format_func=lambda option: as_text(names[option]),
        help=help,
        required=True,
    )
    assert chosen is not None  # required
    write(key, chosen)
    return chosen


def typed(label: str, key: str, default: str, help: str | None = None) -> str:
    """A line of text that is read from and written to the address.

    Args:
        label: what is typed.
        key: name of it in the address and in the session.
        default: where neither says anything.
        help: shown beside the label.
    """
    st.session_state[key] = st.session_state.get(key, st.query_params.get(key, default))
    found = st.text_input(label, key=key, help=help)
    write(key, found)
    return found


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


def layer_slider(label: str, layers: Sequence[int], default: int, key: str) -> int:
    """A slider over a run's layers, written to the address where it is moved.

    It begins at its default again where that is another, as after a choice in the sidebar.

    Args:
        label: what is chosen.
        layers: of the run, ascending.
        default: one of them.
        key: name of the choice in the address.
    """
    if len(layers) == 1:
        return layers[0]
    # A layer from the address is looked at once: after that the default may change.
    widget = f"{key} {default}"
    written = st.query_params.get(key, "")
    if widget not in st.session_state:
        first = not any(str(name).startswith(f"{key} ") for name in st.session_state)
        linked = int(written) if first and written.isdecimal() else default
        st.session_state[widget] = linked if linked in layers else default
    chosen = int(st.select_slider(label, layers, key=widget))
    if chosen != default:
        write(key, str(chosen))
    elif key in st.query_params:
        del st.query_params[key]
    return chosen


def several(
    label: str,
    options: Sequence[str],
    key: str,
    names: Mapping[str, str],
    default: Sequence[str] | None = None,
) -> list[str]:
    """Buttons of which any number may be pressed, kept in the address as a list; more of them than
    fit above what they choose are a box to search in.

    By default those of ``default`` are pressed, or all; so too if none of a choice is offered
    any longer.
    """
    pressed = options if default is None else default
    if len(options) > _BUTTONS:
        return searched(label, options, key, names, pressed)
    _prepare_several(options, key, pressed)
    chosen = st.pills(
        label,
        options,
        key=key,
        selection_mode="multi",
        wrap=True,
        format_func=lambda option: as_text(names[option]),
    )
    write(key, ",".join(chosen))
    return [str(option) for option in chosen]


def searched(
    label: str,
    options: Sequence[str],
    key: str,
    names: Mapping[str, str],
    default: Sequence[str],
) -> list[str]:
    """Like :func:`several`, as a box to search in: for more options than fit as buttons."""
    _prepare_several(options, key, default)
    chosen = st.multiselect(label, options, key=key, format_func=lambda option: names[option])
    write(key, ",".join(chosen))
    return [str(option) for option in chosen]


def _prepare_several(options: Sequence[str], key: str, default: Sequence[str]) -> None:
    wanted = st.session_state.get(key)
    if wanted is None:
        written = st.query_params.get(key)
        wanted = None if written is None else [part for part in written.split(",") if part]
    if wanted is None or (wanted and not set(wanted) & set(options)):
        wanted = default
    st.session_state[key] = [option for option in options if option in wanted]


def toggle(label: str, key: str, help: str | None = None) -> bool:
    """A switch, off by default, whose state is read from and written to the address."""
    wanted = st.session_state.get(key, st.query_params.get(key) == "on")
    st.session_state[key] = bool(wanted)
    chosen = st.toggle(label, key=key, help=help)
    write(key, "on" if chosen else "off")
    return bool(chosen)


def _prepare(
    key: str, options: Sequence[str], former: Mapping[str, str] | None = None, *, label: str
) -> None:
    linked = key not in st.session_state
    wanted = st.session_state.get(key, st.query_params.get(key))
    if former and wanted in former:
        wanted = former[wanted]
    if linked and wanted is not None and wanted not in options:
        st.session_state[_NOT_FOUND] = not_found() | {label: wanted}
    st.session_state[key] = wanted if wanted in options else options[0]


def forget(keys: Mapping[str, str]) -> None:
    """Let the address decide some choices; before any of their widgets is drawn.

    Args:
        keys: of the choices, as the address has them; what is kept for several ranges of a choice
            begins with its key and a space.
    """
    for kept in [str(kept) for kept in st.session_state]:
        if kept.split(" ")[0] in keys:
            del st.session_state[kept]


def write(key: str, value: str) -> None:
    """Keep a choice in the address, defaults too: the newest run of today is not tomorrow's.

    At the end of the run; at once where a fragment runs by itself.
    """
    if _GATHERED in st.session_state:
        st.session_state[_GATHERED][key] = value
    elif st.query_params.get(key) != value:
        st.query_params[key] = value
