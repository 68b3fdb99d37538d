"""Take it away."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from backend.exports.download import as_bytes, size_text
from backend.exports.report.page import expected_bytes, write_report
from backend.exports.report.sections import SECTIONS
from backend.exports.server_snippets import llama_cpp_command, vllm_snippet
from backend.exports.snippet import must_name_model, snippet
from backend.exports.tables import (
    FORMATS,
    TableSource,
    list_tables,
    offered,
    total_bytes,
    write_archive,
    write_table,
)
from backend.exports.vector_description import vector_rows
from backend.exports.vector_files import (
    VECTOR_FORMATS,
    VectorFormat,
    check_gguf,
    file_name,
    gguf_layers,
    tensor_name,
    write_vectors,
)
from backend.exports.vector_files import expected_bytes as expected_vector_bytes
from backend.exports.vectors import (
    BEST,
    Choice,
    Vector,
    VectorSet,
    method_titles,
    read_saved,
    read_vectors,
)
from backend.runs.saved_vectors import saved_vectors
from backend.store.run_values import RunSummary, StoredTable, TableFormat
from backend.views.shared.view import View
from pages.shared import data
from pages.shared.address import segmented, select, several, toggle
from pages.shared.plain import as_text
from pages.shared.sidebar import Selection, run_name, selection
from pages.shared.states import require_run

_ALL, _RUN = "all", "run"
# Offered first: what most come for.
_FIRST = ("correlations", "scores")
_FORMAT_NAMES: dict[TableFormat, str] = {"csv": "CSV", "parquet": "Parquet"}
_VECTOR_FORMAT_NAMES: dict[VectorFormat, str] = {
    "safetensors": "safetensors",
    "gguf": "GGUF for llama.cpp",
    "pt": "persona_vectors .pt",
}
# Format of the file -> what uses it -> a text that does.
_SNIPPETS: dict[str, dict[str, Callable[[VectorSet, Vector, str, str], str]]] = {
    "safetensors": {"transformers": snippet, "vLLM": vllm_snippet},
    "gguf": {"llama.cpp": lambda found, vector, name, _: llama_cpp_command(found, vector, name)},
}
_SNIPPET_NOTES = {
    "transformers": "With transformers alone; it reads the downloaded file.",
    "vLLM": "With vLLM and the downloaded file, at every token of every request. Its hook was "
    "tested on modules that call as vLLM's do, not inside vLLM.",
    "llama.cpp": "With the downloaded file, one trait and method. llama.cpp counts blocks from 0. "
    "Older releases take the strength after a space.",
}


def _report(chosen: Selection, run: RunSummary) -> None:
    scope = segmented(
        "Contents",
        ["view", "study"],
        "scope",
        {"view": "This view", "study": "The whole study"},
        help="This view: the run and trait chosen in the sidebar, compared with the study's other "
        "runs. The whole study: every run and trait.",
    )
    whole = scope == "study"
    view = View(
        runs=chosen.runs,
        shown=chosen.runs if whole else (run,),
        traits=run.traits if whole else (chosen.trait,),
        prompt_set=chosen.prompt_set,
        layer=chosen.layer,
    )
    titles = {section.name: section.title for section in SECTIONS}
    sections = tuple(several("Sections", list(titles), "sections", titles))
    if not sections:
        st.info("Choose at least one section above.")
        return
    shown = (
        f"All {len(run.traits)} traits on {len(chosen.runs)} runs"
        if whole
        else f"{chosen.trait.replace('_', ' ')} on {run_name(run)}"
    )
    st.caption(
        f"**{as_text(shown)}**, as one HTML file: interactive charts, the numbers as tables, "
        "and where they come from. It opens without a network, and prints."
        + (" It takes one or two seconds for each trait and run." if whole else "")
    )
    name = f"{run.study_key if whole else f'{run.record.run_id}.{chosen.trait}'}.html"
    _download(
        f"Download the report, about {size_text(expected_bytes(view, sections))}",
        partial(write_report, data.results(), view, sections=sections, dashboard=_dashboard()),
        name,
        "text/html",
    )


def _dashboard() -> str:
    """Address of the first page, as this browser reaches it; empty where that is not known."""
    address = st.context.url or ""
    return f"{address.rpartition('/')[0]}/" if address.startswith(("http://", "https://")) else ""


def _tables(_: Selection, run: RunSummary) -> None:
    kind = segmented(
        "Tables of",
        ["run", "study"],
        "tables_of",
        {"run": "This run", "study": "The study"},
        help="A run holds its study's tables too, and all that was computed.",
    )
    form = segmented("Format", FORMATS, "table_format", _FORMAT_NAMES)
    source = (
        TableSource("run", run.record.run_id)
        if kind == "run"
        else TableSource("study", run.study_key)
    )
    tables = list_tables(data.settings(), source)
    by_name = {table.name: table for table in tables if table.bytes_as(form) is not None}
    st.markdown("#### All tables")
    activations = kind == "run" and toggle(
        "With activations and their inner products",
        "activations",
        help="Large. Activations themselves come in Parquet only: as text they would be several "
        "times their size.",
    )
    taken, left = offered(tables, form, activations=activations)
    if left:
        st.caption(f"Left out: {', '.join(table.name for table in left)}.")
    most = "up to" if form == "parquet" else "about"
    size = size_text(total_bytes(taken, form))
    _download(
        f"Download {len(taken)} tables as a zip, {most} {size} unpacked",
        partial(write_archive, data.settings(), source, [table.name for table in taken], form),
        f"{source.name}.{form}.zip",
        "application/zip",
    )
    st.markdown("#### One table")
    order = sorted(by_name, key=lambda name: name not in _FIRST)
    name = select("Table", order, "table", {each: each for each in order})
    _download(
        f"Download {name}, {_size(by_name[name], form)}",
        partial(write_table, data.settings(), source, name, form),
        f"{source.name}.{name}.{form}",
        "text/csv" if form == "csv" else "application/vnd.apache.parquet",
    )
    st.caption("docs/tables.md says what each table holds.")
    st.dataframe(
        [
            {
                "table": table.name,
                "rows": table.rows,
                "size": _size(table, form),
                "columns": ", ".join(table.columns),
            }
            for table in tables
        ],
        hide_index=True,
        width="stretch",
    )


def _vectors(chosen: Selection, run: RunSummary) -> None:
    saved = {
        f"saved.{saved.name}": f"Saved vector {saved.name}"
        for saved in saved_vectors(data.settings())
        if saved.run_id == run.record.run_id
    }
    names = {_RUN: "Vectors of this run"} | saved
    source = select("Vectors", list(names), "vectors", names)
    form = segmented(
        "Format",
        VECTOR_FORMATS,
        "vector_format",
        _VECTOR_FORMAT_NAMES,
    )
    if source == _RUN:
        found = _chosen_vectors(chosen, run, form)
    else:
        found = read_saved(data.settings(), source.removeprefix("saved."))
    for sentence in found.missing:
        st.caption(as_text(sentence))
    st.caption(
        "A vector is the high pole minus the low, not normalised, at the output of decoder block "
        "l, counted from 1. "
        + (
            "In the file, layer l is direction.(l − 1), as llama.cpp counts blocks from 0. It adds "
            "every layer in the file at once."
            if form == "gguf"
            else "In the file, row l is layer l, as persona_vectors steers it. Rows of layers that "
            "are not exported are not a number."
            if form == "pt"
            else "The file's head says what each was made from."
        )
    )
    if form == "gguf":
        check_gguf(found)
    name = file_name(found, form)
    size = size_text(expected_vector_bytes(found))
    _download(
        f"Download {len(found.vectors)} vectors, about {size}"
        if len(found.vectors) > 1
        else f"Download the vector, about {size}",
        partial(write_vectors, found, form),
        name,
        "application/octet-stream",
    )
    st.dataframe(vector_rows(found), hide_index=True, width="stretch")
    if form in _SNIPPETS and not found.simulated:
        _snippet(found, form, name)


def _snippet(found: VectorSet, form: str, name: str) -> None:
    """What adds one of the vectors elsewhere."""
    with st.expander("Steer with it elsewhere", icon=":material/code:"):
        by_name = {tensor_name(vector): vector for vector in found.vectors}
        chosen_name = next(iter(by_name))
        if len(by_name) > 1:
            chosen_name = st.selectbox("Vector", list(by_name))
        writers = _SNIPPETS[form]
        where = segmented("With", list(writers), f"snippet_{form}", {one: one for one in writers})
        model = ""
        if form != "gguf":
            own = found.run.record.model
            asked = must_name_model(found)
            model = st.text_input(
                "Model that it loads",
                key="snippet_model",
                placeholder="name on the Hub, NAME@REVISION, or folder" if asked else own,
            ).strip()
            if asked and not model:
                st.caption(
                    f"The activations were taken elsewhere, of a model called {as_text(own)}. Name "
                    "the model above to get the code."
                )
                return
        st.caption(_SNIPPET_NOTES[where])
        language = "bash" if form == "gguf" else "python"
        with data.faults_shown():
            code = writers[where](found, by_name[chosen_name], name, model)
            st.code(code, language=language, wrap_lines=True)


def _chosen_vectors(chosen: Selection, run: RunSummary, form: str) -> VectorSet:
    """The vectors of the run that the controls say."""
    left, middle, right = st.columns(3)
    titles = data.results().of_run(method_titles, run.record.run_id) | {_ALL: "All methods"}
    layers = gguf_layers(run.record.layers) if form == "gguf" else run.record.layers
    numbers = {BEST: "best of each trait", _ALL: "all layers"} | {str(n): str(n) for n in layers}
    with left:
        traits = {"one": chosen.trait.replace("_", " "), _ALL: "All traits"}
        which = select("Traits", list(traits), "vector_traits", traits)
    with middle:
        method = select("Method", list(titles), "vector_method", titles)
    with right:
        layer = select("Layers", list(numbers), "vector_layers", numbers)
    choice = Choice(
        () if which == _ALL else (chosen.trait,),
        () if method == _ALL else (method,),
        chosen.prompt_set,
        BEST if layer == BEST else layers if layer == _ALL else (int(layer),),
    )
    return data.results().of_run(read_vectors, run.record.run_id, choice)


def _size(table: StoredTable, form: TableFormat) -> str:
    size = table.bytes_as(form)
    if size is None:
        return "Parquet only"
    return f"{'up to' if form == 'parquet' else 'about'} {size_text(size)}"


def _download(label: str, write: Callable[[Path], None], name: str, mime: str) -> None:
    """A button; the file is made when it is pressed."""
    st.download_button(
        label,
        partial(as_bytes, write, name),
        file_name=name,
        mime=mime,
        on_click="ignore",
        type="primary",
        icon=":material/download:",
    )


chosen = selection()
st.title("What do you want to take away?")
run = require_run(chosen)
what = segmented(
    "Take",
    ["report", "tables", "vectors"],
    "take",
    {"report": "A report", "tables": "Tables", "vectors": "Vectors"},
)
with data.faults_shown():
    {"report": _report, "tables": _tables, "vectors": _vectors}[what](chosen, run)
st.divider()
st.caption(
    "Charts: the camera in a chart's bar saves it; the sidebar says whether as SVG or PNG. In a "
    "report every chart has a button for each."
)
