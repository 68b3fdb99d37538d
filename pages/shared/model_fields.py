"""Fields for the model that a worker asks, and for what its tokens cost."""

from __future__ import annotations

import streamlit as st

from backend.asking.asking import AT_ONCE
from backend.asking.forecast import AskingForecast, Price
from backend.asking.writer import Writer
from backend.models.presets import PRESETS
from backend.settings import DEFAULT_MODEL
from backend.views.new_study.words import KEY, NO_ENDPOINT, forecast_sentence
from pages.shared import data
from pages.shared.plain import as_text

_ENDPOINT, _LOCAL = "endpoint", "this machine"
_PRICES = "both prices"


def model_fields(key: str, *, local: bool = True) -> None:
    """Ask for a model behind an endpoint, or on this machine; :func:`chosen_model` reads it.

    Args:
        key: tells these fields from others.
        local: whether a model on this machine can be chosen.
    """
    where = [_ENDPOINT, _LOCAL] if local else [_ENDPOINT]
    names = {_ENDPOINT: "Behind an endpoint", _LOCAL: "On this machine"}
    if local:
        st.segmented_control(
            "Where the model is",
            where,
            default=_ENDPOINT,
            format_func=lambda option: names[option],
            key=f"{key} where",
            required=True,
        )
    if local and st.session_state[f"{key} where"] == _LOCAL:
        titles = {preset.name: preset.title for preset in PRESETS}
        st.selectbox(
            "Model on this machine",
            list(titles),
            index=list(titles).index(DEFAULT_MODEL),
            format_func=lambda name: titles.get(name, name),
            accept_new_options=True,
            help="A preset, a Hugging Face id[@revision], a local folder or a .gguf file. "
            "It needs a chat template.",
            key=f"{key} local",
        )
        return
    _endpoint_fields(key)


def _endpoint_fields(key: str) -> None:
    allowed = data.settings().endpoints
    left, middle, right = st.columns([3, 2, 1])
    if allowed is None:
        left.text_input(
            "Endpoint",
            placeholder="http://localhost:8000/v1",
            help="Base address of an OpenAI-compatible interface. " + KEY,
            key=f"{key} url",
        )
    elif allowed:
        left.selectbox("Endpoint", allowed, help=KEY, key=f"{key} url")
    else:
        left.info(NO_ENDPOINT)
        return
    middle.text_input("Model", key=f"{key} model", help="Its name at the endpoint.")
    right.number_input("At once", 1, 64, AT_ONCE, key=f"{key} at once", help="Requests in flight.")


def chosen_model(key: str) -> Writer | None:
    """What the fields say; None while they name no model.

    Args:
        key: as for :func:`model_fields`.
    """
    said = st.session_state
    if said.get(f"{key} where", _ENDPOINT) == _LOCAL:
        local = (said.get(f"{key} local") or "").strip()
        return Writer(local) if local else None
    url = (said.get(f"{key} url") or "").strip()
    model = (said.get(f"{key} model") or "").strip()
    if not url or not model:
        return None
    return Writer(model, url, int(said[f"{key} at once"]))


def price_fields(key: str) -> None:
    """Ask what a million tokens cost; both may stay empty.

    Args:
        key: tells these fields from others.
    """
    left, right = st.columns(2)
    for column, which, what in ((left, "in", "asked"), (right, "out", "answered")):
        column.number_input(
            f"Price of a million tokens {what}",
            min_value=0.0,
            value=None,
            placeholder="not known",
            key=f"{key} price {which}",
            help="For the forecast alone.",
        )


def show_forecast(key: str, told: AskingForecast, name: str = "") -> None:
    """What asking will take, in a frame.

    Args:
        key: as for :func:`price_fields`.
        told: the forecast.
        name: of the model, where several are asked.
    """
    asked, answered = (st.session_state.get(f"{key} price {which}") for which in ("in", "out"))
    price = None if asked is None or answered is None else Price(float(asked), float(answered))
    said = forecast_sentence(told, price, _PRICES)
    of = f" ({as_text(name)})" if name else ""
    st.markdown(f"**Forecast**{of}: {as_text(said)}")
