"""What do single tokens contribute, and what does the vector say?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from backend.runs.directions import DirectionKey, identity_of
from backend.runs.token_view import TokenRequest, TokenText, TokenView
from backend.runs.vocabulary import Vocabulary, VocabularyRequest
from backend.store.run_values import RunSummary
from backend.turns import turn_title
from backend.views.tokens import words
from backend.views.tokens.choices import (
    Conversation,
    conversations,
    second_choices,
    vector_choices,
)
from backend.views.tokens.compute import Of, Shares, first_layer, shares, steps, vector_cases
from backend.views.tokens.figures import layers_figure, lens_figure, line_figure, turns_figure
from backend.views.tokens.markup import legend_html, scale_of, tokens_html
from backend.views.tokens.says import end_responses, neighbours
from backend.views.tokens.tables import (
    end_rows,
    near_rows,
    neighbour_rows,
    span_rows,
    step_rows,
    token_rows,
)
from pages.shared import data
from pages.shared.address import layer_slider, segmented, select
from pages.shared.asked_task import asked
from pages.shared.figures import show
from pages.shared.plain import as_text
from pages.shared.sidebar import run_name, selection
from pages.shared.states import require_run

_VIEWS = {"tokens": "Tokens", "says": "What does it say?"}
_MORE = {"layers": "Along layers", "line": "Along the text", "turns": "Turn by turn"}
_LAYERS = {"all": "all layers", "one": "this layer"}
_WHOLE, _NONE = "all", "none"
_CONVERSATION = "tokens_conversation"


@dataclass(frozen=True)
class _Cell:
    """What is looked at. Attributes: the run, the prompt set, one or two vectors, and the layer."""

    run: RunSummary
    prompt_set: str
    keys: tuple[DirectionKey, ...]
    layer: int

    @property
    def key(self) -> DirectionKey:
        """The first vector."""
        return self.keys[0]


def _vectors(
    run: RunSummary, trait: str, prompt_set: str, *, two: bool
) -> tuple[DirectionKey, ...]:
    """One or two vectors."""
    left, right = st.columns(2)
    results = data.results()
    found = results.with_saved(vector_choices, (run.run_id,), trait, prompt_set)
    with left:
        first = found[select("Vector", list(found), "tokens_vector", _titles(found))]
    if not two:
        return (first,)
    others = results.with_saved(second_choices, (run.run_id,), trait, prompt_set, first)
    with right:
        name = select(
            "Beside it",
            [_NONE, *others],
            "tokens_second",
            {_NONE: "no second vector"} | _titles(others),
        )
    return (first,) if name == _NONE else (first, others[name])


def _titles(keys: Mapping[str, DirectionKey]) -> dict[str, str]:
    return {name: key.title for name, key in keys.items()}


def _tokens(cell: _Cell) -> None:
    """A conversation token by token."""
    found = {one.name: one for one in data.results().of_run(conversations, cell.run.run_id)}
    if not found:
        st.info("This study has no responses, so there are no tokens to read.")
        return
    _first_response(found)
    left, middle, right = st.columns([1.4, 1, 1])
    with left:
        titles = {name: f"{one.scenario}, {one.responder}" for name, one in found.items()}
        one = found[select("Conversation", list(found), _CONVERSATION, titles)]
    with middle:
        turn = _turn(one)
    with right:
        which = segmented("Read at", list(_LAYERS), "tokens_layers", _LAYERS)
    chosen = [place for place in one.responses if turn in (_WHOLE, str(place.response_id))]
    request = TokenRequest(
        run_id=cell.run.run_id,
        prompt_set=cell.prompt_set,
        keys=cell.keys,
        layers=cell.run.record.layers if which == "all" else (cell.layer,),
        responses=tuple(place.response_id for place in chosen),
    )
    request = dataclasses.replace(request, asked_of=_identity(cell, request.keys, request.layers))
    result = asked("tokens", request.to_values(), "Read it token by token", words.ASK_TOKENS)
    if result is not None:
        _read(cell, TokenView.from_values(result))


def _identity(cell: _Cell, keys: tuple[DirectionKey, ...], layers: tuple[int, ...]) -> str:
    """Of what is asked: a result is shown as long as this is the same."""
    return data.results().with_saved(identity_of, (cell.run.run_id,), keys, cell.prompt_set, layers)


def _first_response(found: Mapping[str, Conversation]) -> None:
    """Let a link name a conversation by any of its responses."""
    wanted = st.query_params.get(_CONVERSATION)
    for name, one in found.items():
        if wanted != name and wanted in {str(place.response_id) for place in one.responses}:
            st.query_params[_CONVERSATION] = name


def _turn(one: Conversation) -> str:
    if len(one.responses) == 1:
        return _WHOLE
    names = {_WHOLE: "the whole conversation"} | {
        str(place.response_id): turn_title(place.turn) for place in one.responses
    }
    return select("Turn", list(names), "tokens_turn", names)


def _read(cell: _Cell, view: TokenView) -> None:
    """The tokens on coloured ground, with the spans that contribute most."""
    st.caption(as_text(words.agreement(view)))
    of: Of = segmented("Coloured by", list(words.OF), "tokens_of", words.OF)
    titles = {str(place): key.title for place, key in enumerate(cell.keys)}
    vector = 0
    if len(cell.keys) > 1:
        vector = int(segmented("Along", list(titles), "tokens_along", titles))
    key = cell.keys[vector]
    cases = data.results().with_saved(
        vector_cases, (cell.run.run_id,), key, cell.prompt_set, cell.layer
    )
    roles = [cases.role(text.response_id) for text in view.texts]
    found = [
        shares(view, text, vector, cell.layer, of, None if isinstance(role, str) else role)
        for text, role in zip(view.texts, roles, strict=True)
    ]
    if key.fitted:
        st.caption(words.NOT_HELD_OUT)
    scale = scale_of(view, vector, cell.layer, found, of)
    st.html(legend_html(scale) + tokens_html(view, vector, cell.layer, found, scale))
    for text, role, own in zip(view.texts, roles, found, strict=True):
        st.markdown(
            f"**{as_text(words.response_title(text))}**: "
            f"{as_text(words.projection_line(view, text, vector, cell.layer))}. "
            f"{as_text(words.role_line(cases, role))}"
        )
        if own is not None:
            st.caption(as_text(words.sum_line(own)))
            # Of long conversations, tables of every turn would hide the next turn's line.
            folded = len(view.texts) > 2
            with st.expander("Spans that contribute most") if folded else st.container():
                st.dataframe(span_rows(own), hide_index=True, width="stretch")
    st.caption(f"{words.DEFINED[of]} {words.SPANS}")
    _more(cell, view, found, vector)


def _more(cell: _Cell, view: TokenView, found: list[Shares | None], vector: int) -> None:
    """Along layers, along the text, and from turn to turn."""
    shown = dict(_MORE)
    if len(view.texts) < 2:
        del shown["turns"]
    left, right = st.columns(2)
    with left:
        more = segmented("More", list(shown), "tokens_more", shown)
    if more == "turns":
        every = [(key.title, steps(view, place, cell.layer)) for place, key in enumerate(cell.keys)]
        st.caption(words.VELOCITY)
        show(turns_figure(every), "token_turns", "Projection of a conversation turn by turn")
        for title, rows in every:
            st.caption(as_text(title))
            st.dataframe(step_rows(rows), hide_index=True, width="stretch")
        return
    text, place = view.texts[0], 0
    if len(view.texts) > 1:
        names = {str(i): words.response_title(one) for i, one in enumerate(view.texts)}
        with right:
            place = int(select("Response", list(names), "tokens_response", names))
        text = view.texts[place]
    if more == "layers":
        st.caption(words.LAYERS)
        show(layers_figure(view, text, vector), "token_layers", "Tokens at every layer")
    else:
        st.caption(words.LINES)
        show(line_figure(view, text, cell.layer), "token_line", "Projection along the text")
    with st.expander("Every token as a table", icon=":material/table:"):
        _table(cell, view, text, found[place], vector)


def _table(cell: _Cell, view: TokenView, text: TokenText, own: Shares | None, vector: int) -> None:
    every = [own if place == vector else None for place in range(len(cell.keys))]
    rows = token_rows(view, text, cell.layer, every)
    st.dataframe(rows, hide_index=True, width="stretch")


def _says(cell: _Cell) -> None:
    """The vocabulary's tokens, the vectors and the responses that are nearest to a vector."""
    st.subheader("Nearest tokens of the vocabulary")
    if cell.run.has_model:
        layers = cell.run.record.layers
        now = _identity(cell, (cell.key,), layers)
        request = VocabularyRequest(cell.run.run_id, cell.prompt_set, cell.key, layers, now)
        result = asked(
            "vocabulary", request.to_values(), "Look in the vocabulary", words.ASK_VOCABULARY
        )
        if result is not None:
            _vocabulary(cell, Vocabulary.from_values(result))
    else:
        st.info(words.no_model(cell.run))
    one = (cell.run.run_id,), cell.key, cell.prompt_set, cell.layer
    st.subheader("Nearest vectors")
    near = data.results().with_saved(neighbours, *one)
    st.caption(words.neighbours_line(near))
    if near.found:
        st.dataframe(neighbour_rows(near.found), hide_index=True, width="stretch")
    st.subheader("Responses at its ends")
    ends = data.results().with_saved(end_responses, *one)
    st.caption(words.ends_line(ends))
    for title, rows in (("Largest projections", ends.top), ("Smallest projections", ends.bottom)):
        if rows:
            st.caption(title)
            st.dataframe(end_rows(rows), hide_index=True, width="stretch")


def _vocabulary(cell: _Cell, found: Vocabulary) -> None:
    st.caption(as_text(words.lens_chance(found)))
    st.caption(words.LENS_CAVEAT)
    show(lens_figure(found), "lens", "z of the nearest tokens at every layer")
    here = next((one for one in found.layers if one.layer == cell.layer), None)
    if here is None:
        st.caption(as_text(f"Layer {cell.layer}: {found.reasons[cell.layer]}."))
    else:
        st.caption(f"Layer {cell.layer}. {words.LENS}")
        st.dataframe(near_rows(here), hide_index=True, width="stretch")


chosen = selection()
st.title("What do single tokens contribute?")
run = require_run(chosen)
with data.faults_shown():
    view = segmented("Show", list(_VIEWS), "tokens_view", _VIEWS)
    if view == "tokens" and not run.has_model:
        st.info(words.no_model(run))
        st.stop()
    keys = _vectors(run, chosen.trait, chosen.prompt_set, two=view == "tokens")
    begin = chosen.layer
    if begin is None:
        begin = data.results().with_saved(first_layer, (run.run_id,), keys[0], chosen.prompt_set)
    layer = layer_slider("Layer", run.record.layers, begin, "tokens_layer")
    cell = _Cell(run, chosen.prompt_set, keys, layer)
    st.caption(as_text(f"{keys[0].title}, layer {layer}, on {run_name(run)}."))
    if view == "tokens":
        _tokens(cell)
    else:
        _says(cell)
