"""The Runs page: choose what to extract, see what it will take, and start it."""

from __future__ import annotations

import streamlit as st

from backend.errors import SteerscopeError
from backend.models.model_reference import refuse_unusable
from backend.models.presets import PRESETS
from backend.poolings import POOLINGS, parse_pooling, pooling_title
from backend.runs.engines import CHOICES, has_workers, splits_models
from backend.runs.requests import parse_layers
from backend.settings import DEFAULT_LAYERS, DEFAULT_MODEL
from backend.store.study import StudySummary
from backend.types import ExtractionRequest
from backend.views.runs.forecast import ExtractionForecast, forecast
from backend.views.runs.number_types import BFLOAT16, bfloat16_command
from backend.views.runs.tables import forecast_rows
from pages.shared import data
from pages.shared.acting import act, fault_shown
from pages.shared.plain import as_text
from pages.shared.run_active import STARTED, started_job
from pages.shared.sidebar import Selection

_START = "start"
_STUDY, _MODEL, _LAYERS, _POOLING = "form_study", "form_model", "form_layers", "form_pooling"
_BATCH, _DEVICE, _DTYPE = "form_batch", "form_device", "form_dtype"
_FRESH = "form_fresh"
_ENGINE, _WORKERS = "form_engine", "form_workers"
_TENSOR, _PIPELINE = "form_tensor", "form_pipeline"


def new_extraction(chosen: Selection) -> None:
    """Everything an extraction depends on, its forecast, and the button that queues it."""
    studies = {study.key: study for study in data.study_list().studies}
    if not studies:
        st.info("Import a study first; the bundled sample comes with the first worker.")
        return
    study = _fields(studies, chosen)
    request = None
    with data.faults_shown():
        request = _request(study)
    if request is not None:
        _show_forecast(request)
        if command := bfloat16_command(request):
            st.caption(BFLOAT16)
            st.code(command, language=None, wrap_lines=True)
    st.button(
        "Start extraction",
        type="primary",
        icon=":material/play_arrow:",
        on_click=act,
        args=(_START, _start, study),
    )
    fault_shown(_START)
    started_job()


def _start(study: str) -> None:
    try:
        request = _request(study)
    except SteerscopeError:
        return  # the page says so where it reads the fields
    run_id, new = data.queue().enqueue_once(request)
    said = f"Queued {as_text(run_id)}" if new else f"{as_text(run_id)} is on its way already."
    st.session_state[STARTED] = run_id
    st.toast(said, icon=":material/schedule:")


def _fields(studies: dict[str, StudySummary], chosen: Selection) -> str:
    """Everything that is asked for; returns the key of the study's field."""
    keys = list(studies)
    models = {preset.name: preset.title for preset in PRESETS}
    default = chosen.study.key if chosen.study else keys[0]
    study = f"{_STUDY} {default}"  # another study in the sidebar is another default here
    st.selectbox(
        "Study",
        keys,
        index=keys.index(default),
        format_func=lambda name: _study_line(studies[name]),
        key=study,
    )
    st.selectbox(
        "Model",
        list(models),
        index=list(models).index(DEFAULT_MODEL),
        format_func=lambda name: models.get(name, name),
        accept_new_options=True,
        help="A preset, a Hugging Face id[@revision], a local folder or a .gguf file: "
        "choose, or type your own.",
        key=_MODEL,
    )
    left, middle, right = st.columns(3)
    left.text_input(
        "Layers",
        DEFAULT_LAYERS,
        key=_LAYERS,
        help="Such as 8-19 or 0,4,8. 0 is the embedding output.",
    )
    middle.selectbox(
        "Pooling",
        (*POOLINGS, "first-5", "end-2"),
        format_func=pooling_title,
        accept_new_options=True,
        help="Which tokens make an activation. Without the very first token: some models give it a "
        "huge activation. Before the text: where a chat's model is about to answer. Or type "
        "first-10, or end-3 for the third token from the end.",
        key=_POOLING,
    )
    right.selectbox(
        "Device",
        ["auto", "cpu", "cuda", "mps"],
        help="Of the worker's machine. auto takes CUDA, then MPS, then the CPU. Where the first "
        "GPU does not hold the weights, another one does, or all share them.",
        key=_DEVICE,
    )
    left.number_input(
        "Tokens per batch", 0, 1_000_000, 0, 256, key=_BATCH, help="Padded; 0 chooses by device."
    )
    middle.selectbox(
        "Number type of the weights",
        ["auto", "float32", "bfloat16", "float16"],
        help="auto is bfloat16 on CUDA and float32 elsewhere. Activations are kept as float32.",
        key=_DTYPE,
    )
    right.checkbox(
        "Extract every text again",
        key=_FRESH,
        help="When off, activations of the same text, model, pooling and number type are copied "
        "from earlier runs, and only new texts are extracted.",
    )
    # A row of its own, so that what an engine is asked stands beside it.
    left, middle, right = st.columns(3)
    left.selectbox(
        "Engine",
        CHOICES,
        help="local: the worker that takes the job. ray: the workers of the Ray cluster that "
        "STEERSCOPE_RAY_ADDRESS names there, or of its machine alone; the results are the same. "
        "vllm: vLLM in an environment of its own there; the same up to rounding.",
        key=_ENGINE,
    )
    if has_workers(st.session_state[_ENGINE]):
        middle.number_input(
            "Workers on Ray", 0, 10_000, 0, key=_WORKERS, help="0 for as many as there is room for."
        )
    if splits_models(st.session_state[_ENGINE]):
        middle.number_input(
            "Tensor parallel", 1, 1_000, 1, key=_TENSOR, help="Devices that share each layer."
        )
        right.number_input(
            "Pipeline parallel",
            1,
            1_000,
            1,
            key=_PIPELINE,
            help="Groups of devices that have some of the layers each.",
        )
    return study


def _request(study: str) -> ExtractionRequest:
    """What the fields say.

    Args:
        study: key of the study's field.
    """
    said = st.session_state
    # A blank field is None.
    model = said[_MODEL] or ""
    refuse_unusable(model)
    return ExtractionRequest(
        study=said[study],
        model=model,
        layers=parse_layers(said[_LAYERS]),
        pooling=parse_pooling(said[_POOLING] or ""),
        batch_tokens=int(said[_BATCH]),
        device=said[_DEVICE],
        dtype=said[_DTYPE],
        fresh=bool(said[_FRESH]),
        engine=said[_ENGINE],
        workers=int(said[_WORKERS]) if has_workers(said[_ENGINE]) else 0,
        tensor_parallel=int(said[_TENSOR]) if splits_models(said[_ENGINE]) else 1,
        pipeline_parallel=int(said[_PIPELINE]) if splits_models(said[_ENGINE]) else 1,
    )


@st.cache_data(ttl=10.0, show_spinner=False)
def _forecast(request: ExtractionRequest) -> ExtractionForecast:
    """What an extraction will take; told anew after seconds, as free memory changes."""
    return forecast(data.settings(), request, data.run_list().runs)


def _show_forecast(request: ExtractionRequest) -> None:
    """What it will take. A fault here does not keep anyone from starting: the worker may be on
    another machine, where the model is."""
    with st.container(border=True), data.faults_shown():
        found = _forecast(request)
        st.markdown("**Forecast**")
        columns = st.columns(3)
        for place, row in enumerate(forecast_rows(found)):
            columns[place % 3].markdown(
                f"{row['what']}: **{row['estimate']}**  \n:small[{row['basis']}]"
            )
        for fault in found.faults:
            st.warning(as_text(fault), icon=":material/error:")


def _study_line(study: StudySummary) -> str:
    sets = f" in {len(study.prompt_sets)} sets" if len(study.prompt_sets) > 1 else ""
    return (
        f"{study.title} · {study.key} ({study.prompts} prompts{sets}, {study.responses} responses)"
    )
