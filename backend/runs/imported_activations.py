"""A run from activations that were taken elsewhere: read, checked, matched with the texts."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.errors import ImportFault, NotAllowed, StudyFaults
from backend.extraction.engine import Report
from backend.extraction.precomputed import NAME, Precomputed, PrecomputedEngine
from backend.models.layers import check_layers
from backend.models.model_reference import refuse_unusable
from backend.models.tensor_files import read_tensors
from backend.poolings import parse_pooling
from backend.runs.engines import methods_of_engine
from backend.runs.requests import new_run_id
from backend.runs.session import ExtractionSession
from backend.runs.uploads import written
from backend.runs.vector_files import FROM_0, HIDDEN_STATES, LAYER_NUMBERINGS
from backend.settings import Settings
from backend.store.changes import changing
from backend.store.connection import discard
from backend.store.study import find_study, load_study
from backend.store.work_file import work_path
from backend.studies.faults import FaultList, shown
from backend.studies.limits import MOST_BYTES, size
from backend.studies.rows import Record
from backend.studies.tables import FORMATS, check_columns, read_rows
from backend.turns import turn_of
from backend.types import Study

# 1,040 texts at 33 layers of 4,096 numbers take 560 MB as float32.
MOST_ACTIVATION_BYTES = 4 * 2**30
SUFFIXES = (".safetensors", ".npz")
COLUMNS = ("prompt", "scenario", "turn", "responder", "text", "tokens")
# Texts that a message names before it only counts them.
_NAMED = 3


@dataclass(frozen=True)
class ActivationChoice:
    """What a user says of a file of activations.

    Attributes:
        model: which model gave them, in a word.
        pooling: how tokens were pooled, by a name of :mod:`backend.poolings`.
        numbering: how the file numbers layers, a name of :data:`LAYER_NUMBERINGS`.
        numbers: of the layers, in that numbering; empty for all, from 0.
        depth: decoder blocks of the model; None where the file has all layers.
        texts: a table with a row for each text; None where the file's tensors are called
            ``prompts`` and ``responses`` and are in the study's order.
    """

    model: str
    pooling: str
    numbering: str
    numbers: tuple[int, ...] = ()
    depth: int | None = None
    texts: Path | None = None


@dataclass(frozen=True, eq=False)
class UnderstoodActivations:
    """A file of activations as it would be kept.

    Attributes:
        study: key of the study whose texts they are of.
        found: the activations of all of its texts.
    """

    study: str
    found: Precomputed


def read_activations(path: Path, study: Study, choice: ActivationChoice) -> Precomputed:
    """Read activations and match them with the texts of a study; nothing is kept.

    Args:
        path: safetensors or npz with tensors [texts, layers, d], or [texts, d] of one layer.
        study: whose texts they are of.
        choice: what the user says of them.

    Raises:
        ImportFault: the file cannot be read, is not of these texts, or holds what is not finite;
            or no model is named.
        ModelNotFound: the model's name could not be shown.
        LayerOutOfRange: a layer does not exist.
        UnknownPooling: the pooling is none.
    """
    if not choice.model.strip():
        raise ImportFault(
            "It is not said which model gave the activations.",
            expected="its name, in a word.",
            remedy="name it (on the command line, --model).",
        )
    refuse_unusable(choice.model)
    pooling = parse_pooling(choice.pooling)
    if path.suffix not in SUFFIXES:
        raise ImportFault(
            f"{shown(path.name)} is in no format for activations.",
            expected=f"a file that ends in {' or '.join(SUFFIXES)}.",
            remedy="save the activations in one of these.",
        )
    tensors = {
        name: values[:, None] if values.ndim == 2 else values
        for name, values in read_tensors(path, MOST_ACTIVATION_BYTES).tensors.items()
    }
    for name, values in tensors.items():
        if values.ndim != 3 or not values.size:
            raise _unusable(path, f"{shown(name)} has the shape {list(values.shape)}")
    shapes = {values.shape[1:] for values in tensors.values()}
    if len(shapes) > 1:
        listed = "; ".join(f"{name} {list(values.shape)}" for name, values in tensors.items())
        raise _unusable(path, f"its tensors differ in layers or width: {listed}")
    if choice.texts is None:
        pooled, tokens = _in_order(path, study, tensors), None
    else:
        places, tokens = _places(choice.texts, study)
        pooled = _by_table(path, choice.texts, study, tensors, places)
    places_kept, layers, depth = _layers(path, pooled.shape[1], choice)
    with np.errstate(over="ignore"):  # what is too large is told below
        kept = np.ascontiguousarray(pooled[:, places_kept].swapaxes(0, 1), np.float32)
    bad = [text for text in range(kept.shape[1]) if not np.isfinite(kept[:, text]).all()]
    if bad:
        raise _unusable(
            path,
            f"{len(bad)} of {kept.shape[1]} texts have values that are not finite, or too large "
            f"for float32: {_named(study, bad)}",
        )
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    left_out = ""
    if len(places_kept) < pooled.shape[1]:
        left_out = (
            f"Layer {depth} of the file is left out: hidden_states has it after the final norm, "
            "and layers here are before it."
        )
    return Precomputed(
        kept, layers, depth, tokens, choice.model, pooling, path.name, digest, left_out
    )


def import_activations(
    settings: Settings,
    path: Path,
    study_name: str,
    choice: ActivationChoice,
    report: Report,
    run_id: str | None = None,
) -> str:
    """Make a run of activations that were taken elsewhere.

    Args:
        settings: where the store is, and which folders a path may lead to.
        path: the file; see :func:`read_activations`.
        study_name: name or key of an imported study.
        choice: what the user says of them.
        report: called with the progress.
        run_id: name of the run; None makes a new one.

    Returns:
        The run's id.

    Raises:
        SteerscopeError: as :func:`read_activations`; or the path may not be named, or nothing may
            be made here. Nothing is kept.
    """
    for named in (path, choice.texts):
        if named is not None and not settings.may_name(named):
            raise NotAllowed(
                f"The file {shown(str(named))} may not be named by its path here.",
                expected="a path below an allowed folder.",
                remedy="add its folder to STEERSCOPE_FOLDERS.",
            )
    ref = find_study(settings, study_name)
    found = read_activations(path, load_study(settings, ref), choice)
    return keep_activations(settings, UnderstoodActivations(ref.key, found), report, run_id)


def understand_upload(
    settings: Settings,
    upload: tuple[str, bytes],
    study_name: str,
    choice: ActivationChoice,
    table: tuple[str, bytes] | None = None,
) -> UnderstoodActivations:
    """Read uploaded activations and match them with the texts of a study; nothing is kept.

    Args:
        settings: where the store is.
        upload: name and bytes of the file.
        study_name: name or key of an imported study.
        choice: what the user says of them; its ``texts`` are not used.
        table: name and bytes of the table of texts; None for none.

    Raises:
        SteerscopeError: as :func:`read_activations`, or there is no such study.
    """
    ref = find_study(settings, study_name)
    study = load_study(settings, ref)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        path = written(Path(one), *upload)
        texts = None if table is None else written(Path(other), *table)
        found = read_activations(path, study, dataclasses.replace(choice, texts=texts))
        return UnderstoodActivations(ref.key, found)


def keep_activations(
    settings: Settings,
    understood: UnderstoodActivations,
    report: Report,
    run_id: str | None = None,
) -> str:
    """Make a run of what was understood. If that ends early, nothing is kept.

    Args:
        settings: where the store is.
        understood: the activations and their study.
        report: called with the progress; what it raises ends the import.
        run_id: name of the run; None makes a new one.

    Returns:
        The run's id.

    Raises:
        SteerscopeError: nothing may be made here, or the study is gone.
    """
    ref = find_study(settings, understood.study)
    name = run_id or new_run_id(ref.key, understood.found.model)
    changing(settings, "import activations", name)
    engine = PrecomputedEngine(understood.found)
    work = work_path(settings, name)
    begun = work.exists()
    session = ExtractionSession(settings, name, ref.key, engine, report, methods_of_engine(NAME))
    try:
        session.run()
    except BaseException:
        # Nobody goes on with it; unless it is another import that was there before.
        if not begun:
            discard(work)
        raise
    return name


def _in_order(
    path: Path, study: Study, tensors: Mapping[str, NDArray[np.floating]]
) -> NDArray[np.floating]:
    wanted = {"prompts": len(study.prompts), "responses": len(study.responses)}
    wanted = {name: count for name, count in wanted.items() if count}
    if set(tensors) != set(wanted):
        raise _unusable(
            path,
            f"its tensors are {', '.join(map(shown, tensors))}, and without a table of texts "
            f"{' and '.join(wanted)} are needed, in the study's order",
        )
    for name, count in wanted.items():
        if len(tensors[name]) != count:
            raise _unusable(
                path, f"{name} has {len(tensors[name])} rows, and the study {count} {name}"
            )
    return np.concatenate([tensors[name] for name in wanted])


def _by_table(
    path: Path,
    table: Path,
    study: Study,
    tensors: Mapping[str, NDArray[np.floating]],
    places: Sequence[int],
) -> NDArray[np.floating]:
    """Rows in the study's order; ``places`` has each row's text."""
    if len(tensors) != 1:
        raise _unusable(
            path,
            f"it holds {len(tensors)} tensors, and a table of texts is of one (leave the table out "
            "where they are prompts and responses in the study's order)",
        )
    (values,) = tensors.values()
    if len(values) != len(places):
        raise _unusable(
            path, f"it has {len(values)} rows, and {table.name} names {len(places)} texts"
        )
    total = len(study.prompts) + len(study.responses)
    missing = sorted(set(range(total)) - set(places))
    if missing:
        raise _unusable(
            path,
            f"{len(missing)} of the study's {total} texts are missing: {_named(study, missing)}",
        )
    row_of = {place: row for row, place in enumerate(places)}
    return values[[row_of[text] for text in range(total)]]


def _places(table: Path, study: Study) -> tuple[list[int], tuple[int, ...] | None]:
    """Text of each row of a table, by its place in the study; and its number of tokens, where the
    table has them, by the text's place."""
    faults = FaultList()
    rows = _table_rows(table, faults)
    index = _Index(study)
    places: list[int] = []
    seen: dict[int, int] = {}
    tokens: dict[int, int] = {}
    untold: list[int] = []
    for row in rows:
        place, why = index.place(row)
        if place is None:
            faults.add(table.name, row.line, f"{why}.", "Correct the row.")
            continue
        if place in seen:
            faults.add(
                table.name,
                row.line,
                f"The text of line {seen[place]} is named again.",
                "Name every text once.",
            )
        seen.setdefault(place, row.line)
        places.append(place)
        count = _said(row, "tokens")
        if count.isdecimal() and 0 < int(count) < 10**7:
            tokens[place] = int(count)
        elif count:
            faults.add(
                table.name,
                row.line,
                f"tokens is {shown(count)}.",
                "Write a whole number of 1 or more, or leave the column out.",
            )
        else:
            untold.append(row.line)
    if tokens:
        for line in untold:
            faults.add(table.name, line, "tokens is empty.", "Fill the column, or leave it out.")
    try:
        faults.raise_if_any()
    except StudyFaults as fault:
        listed = " ".join(str(one) for one in fault.faults[:5])
        more = f" And {len(fault.faults) - 5} more faults." if len(fault.faults) > 5 else ""
        raise ImportFault(
            f"{table.name} cannot be matched with the study. {listed}{more}",
            expected=f"a row for each text, with some of the columns {', '.join(COLUMNS)}: prompt "
            "(its # on the Prompts page), scenario with turn and responder, or text.",
            remedy="correct the table. Nothing was imported.",
        ) from fault
    total = len(study.prompts) + len(study.responses)
    complete = len(tokens) == total
    return places, tuple(tokens[n] for n in range(total)) if complete else None


def _table_rows(table: Path, faults: FaultList) -> list[Record]:
    known = [form.suffix for form in FORMATS]
    if not table.is_file() or table.suffix not in known:
        raise ImportFault(
            f"{shown(str(table))} is no table of texts.",
            expected=f"a file that ends in {', '.join(known)}.",
            remedy="correct the path.",
        )
    if table.stat().st_size > MOST_BYTES:
        raise ImportFault(
            f"{table.name} takes {size(table.stat().st_size)}.",
            expected=f"at most {size(MOST_BYTES)}.",
            remedy="leave the texts out, and name prompts and scenarios.",
        )
    rows = read_rows(table.name, table.read_bytes(), faults) or []
    return check_columns(table.name, rows, (), COLUMNS, faults)


class _Index:
    """The texts of a study by all that a row can name them by.

    Args:
        study: the study.
    """

    def __init__(self, study: Study) -> None:
        self._prompts = len(study.prompts)
        self._responses: dict[tuple[str, str], list[tuple[int, str]]] = {}
        self._texts: dict[str, list[int]] = {}
        for number, prompt in enumerate(study.prompts):
            self._texts.setdefault(prompt.text, []).append(number)
        for number, response in enumerate(study.responses, self._prompts):
            key = (response.scenario, response.turn or "")
            self._responses.setdefault(key, []).append((number, response.responder))
            self._texts.setdefault(response.text, []).append(number)

    def place(self, row: Record) -> tuple[int | None, str]:
        """The place of a row's text in the study, or None and why there is none."""
        prompt, scenario = _said(row, "prompt"), _said(row, "scenario")
        if prompt:
            if prompt.isdecimal() and int(prompt) < self._prompts:
                return int(prompt), ""
            return None, f"{shown(prompt)} is no prompt of the study, which has 0 to " + str(
                self._prompts - 1
            )
        if scenario:
            turn, responder = _said(row, "turn"), _said(row, "responder")
            turn = turn_of(turn) or turn
            found = [
                number
                for number, who in self._responses.get((scenario, turn), [])
                if not responder or who == responder
            ]
            what = f"scenario {shown(scenario)}" + (f", turn {shown(turn)}" if turn else "")
        else:
            text = row.values.get("text")
            if not isinstance(text, str):
                return None, "The row names neither prompt, scenario nor text"
            found, what = self._texts.get(text, []), f"the text {shown(text)}"
        if len(found) == 1:
            return found[0], ""
        if not found:
            return None, f"The study does not have {what}"
        return None, f"The study has {len(found)} texts of {what}; name the prompt or responder"


def _said(row: Record, column: str) -> str:
    value = row.values.get(column)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def _layers(
    path: Path, count: int, choice: ActivationChoice
) -> tuple[list[int], tuple[int, ...], int]:
    """Which of the file's layers are kept, their numbers here, and the model's depth."""
    if choice.numbering not in LAYER_NUMBERINGS:
        raise ImportFault(
            f"{shown(choice.numbering)} is no numbering of layers.",
            expected=f"one of {', '.join(LAYER_NUMBERINGS)}.",
            remedy="choose one of these.",
        )
    numbers = choice.numbers or tuple(range(count))
    if len(numbers) != count:
        raise _unusable(path, f"its number of layers is {count}, and {len(numbers)} are named")
    shift = 1 if choice.numbering == FROM_0 else 0
    depth = choice.depth
    if depth is None:
        if choice.numbers:
            raise ImportFault(
                "It is not said how many decoder blocks the model has.",
                expected="the number of blocks, where the file has some of the layers only.",
                remedy="name it (on the command line, --depth).",
            )
        depth = numbers[-1] + shift
    last = depth if choice.numbering == HIDDEN_STATES else None
    # The last of hidden_states is after the final norm, and no layer here is.
    kept = [place for place, number in enumerate(numbers) if number != last]
    layers = tuple(numbers[place] + shift for place in kept)
    check_layers(depth, layers)
    return kept, layers, depth


def _named(study: Study, places: Sequence[int]) -> str:
    """Some texts of a study in words."""
    first = len(study.prompts)
    words = []
    for place in places[:_NAMED]:
        if place < first:
            words.append(f"prompt {place}")
        else:
            response = study.responses[place - first]
            turn = f" {response.turn}" if response.turn else ""
            words.append(f"the response to {response.scenario}{turn}")
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    return ", ".join(words) + more


def _unusable(path: Path, why: str) -> ImportFault:
    return ImportFault(
        f"{path.name} cannot be used: {why}.",
        expected="finite activations [texts, layers, d] of every text of the study.",
        remedy="correct the file. Nothing was imported.",
    )
