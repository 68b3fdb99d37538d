"""Which texts of a study have been extracted before, and what of an earlier run stays as it is.

There is no store of activations besides the published runs: what they hold is found by what it
depends on, and copied. A run that is deleted takes its activations with it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from backend.core.metrics import registry
from backend.core.vectors.methods import Method
from backend.errors import StoreError
from backend.extraction.engine import Identity, forward_pass
from backend.runs.derive import same_numbers
from backend.settings import Settings
from backend.store.connection import MALFORMED
from backend.store.file_cache import FileCache
from backend.store.run import list_run_ids, run_path
from backend.store.run_record import RunRecord
from backend.store.schema import SAME_DERIVED
from backend.store.source_run import Carried, Part, SourceTexts, StudyTexts, open_source
from backend.types import Response, Study

logger = logging.getLogger("steerscope.runs")
# Runs whose texts are compared with a study's: those of the same study first, newest first.
MOST_SOURCES = 20
# From this format on, runs record the first tokens of their texts.
_OLDEST = 3
_HEADS = FileCache(4096)
# Of the runs that were compared last: what is tried again is tried with the same ones.
_TEXTS = FileCache(MOST_SOURCES)
_DERIVED = FileCache(1)


@dataclass(frozen=True)
class Reuse:
    """Which texts of a study need no extraction.

    Attributes:
        total: texts of the study.
        parts: what published runs give, the largest part first; each text from one of them.
        record: provenance of the run that gives most; None where none gives any.
    """

    total: int
    parts: tuple[Part, ...] = ()
    record: RunRecord | None = None

    @property
    def taken(self) -> int:
        """How many texts are taken from published runs."""
        return sum(len(part) for part in self.parts)

    @property
    def left(self) -> int:
        """How many texts are to be extracted."""
        return self.total - self.taken

    @property
    def counts(self) -> dict[str, int]:
        """Run id -> how many texts are taken from it."""
        return {part.run_id: len(part) for part in self.parts}

    def known(self, study: Study) -> frozenset[int]:
        """Indices of the texts that are taken: prompts first, then responses."""
        first = len(study.prompts)
        prompts = [number for part in self.parts for number in part.prompts]
        return frozenset([*prompts, *(first + n for part in self.parts for n in part.responses)])

    @property
    def sentence(self) -> str:
        """What it comes to, for people."""
        return reuse_sentence(self.total, self.counts)


def reuse_sentence(total: int, counts: dict[str, int]) -> str:
    """How many texts are extracted, and where the others come from.

    Args:
        total: texts of the study.
        counts: run id -> how many texts are taken from it.
    """
    left = f"{total - sum(counts.values())} of {total} texts to extract"
    if not counts:
        return left
    if len(counts) == 1:
        return f"{left}; the others are taken from run {next(iter(counts))}"
    runs = ", ".join(f"{run_id} ({count})" for run_id, count in counts.items())
    return f"{left}; the others are taken from the runs {runs}"


def find_reuse(
    settings: Settings,
    study: Study,
    identity: Identity,
    layers: Sequence[int],
    lost: Collection[str] = (),
) -> Reuse:
    """The texts of a study whose activations published runs hold.

    Args:
        settings: where the runs are.
        study: its texts.
        identity: what the activations depend on besides the text.
        layers: wanted ones; a run that lacks one of them gives nothing.
        lost: ids of runs that turned out not to be readable.
    """
    total = len(study.prompts) + len(study.responses)
    texts = StudyTexts.of(study)
    found: list[Part] = []
    records: dict[str, RunRecord] = {}
    for run_id in _candidates(settings, study, identity, layers, lost):
        try:
            records[run_id], _ = _head(settings, run_id)
            part = _texts(settings, run_id).part(run_id, texts)
        except (StoreError, *MALFORMED) as fault:
            logger.warning("%s gives nothing: %s", run_id, fault)
            continue
        if len(part):
            found.append(part)
        if len(part) == total:
            break
    parts: list[Part] = []
    prompts: set[int] = set()
    responses: set[int] = set()
    for part in sorted(found, key=len, reverse=True):
        rest = part.without(prompts, responses)
        if len(rest):
            parts.append(rest)
            prompts |= rest.prompts.keys()
            responses |= rest.responses.keys()
    return Reuse(total, tuple(parts), records[parts[0].run_id] if parts else None)


def find_carried(
    settings: Settings,
    reuse: Reuse,
    study: Study,
    layers: tuple[int, ...],
    methods: Sequence[Method],
    version: int,
) -> Carried | None:
    """Which derived rows of the run that gives most stay as they are.

    What is derived of a trait follows from its prompts and scores and from all responses; what is
    fitted to responses, from the scores and all responses. Without responses, the prompts of all
    traits decide which coordinates are massive, and nothing is carried.

    Args:
        settings: where the runs are.
        reuse: what is taken.
        study: of the new run.
        layers: of the new run.
        methods: whose vectors the new run has.
        version: of the code that derives.
    """
    if not reuse.parts or not study.responses:
        return None
    part = reuse.parts[0]
    names = [method.name for method in methods]
    try:
        derived = _derived(settings, part.run_id)
    except (StoreError, *MALFORMED) as fault:
        logger.warning("nothing derived is taken from %s: %s", part.run_id, fault)
        return None
    before = derived.study
    alike = (
        derived.format >= SAME_DERIVED
        and same_numbers(derived.version, version, study)
        and len(before.responses) == len(study.responses)
        and set(names) <= derived.methods
        and {metric.name for metric in registry.METRICS} <= derived.metrics
    )
    if not alike:
        return None
    if before.score_range != study.score_range:  # by which probes split the responses
        return None
    if not all(map(_same_response, before.responses, study.responses)):
        return None
    scored = [trait for trait in study.traits if _same_scores(trait, before, study)]
    fixed = {trait: _same_prompts(trait, before, study) for trait in scored}
    return Carried(
        part=part,
        version=version,
        layers=layers,
        traits=tuple(trait for trait, same in fixed.items() if same),
        methods=tuple(names),
        best_layers=derived.layers == layers,
        scored=tuple(trait for trait, same in fixed.items() if not same),
        fitted=tuple(method.name for method in methods if method.fitted),
    )


@dataclass(frozen=True)
class _Derived:
    """What decides whether derived rows of a run can be taken.

    Attributes:
        format: of its file.
        version: by which it was derived.
        layers: that it has.
        methods: that it has.
        metrics: that it has.
        study: its study.
    """

    format: int
    version: int
    layers: tuple[int, ...]
    methods: frozenset[str]
    metrics: frozenset[str]
    study: Study


def _derived(settings: Settings, run_id: str) -> _Derived:
    def read() -> _Derived:
        with open_source(settings, run_id) as source:
            return _Derived(
                format=source.format,
                version=source.derivation,
                layers=source.record.layers,
                methods=frozenset(source.methods()),
                metrics=source.metric_names(),
                study=source.study(),
            )

    return _DERIVED.get("derived", [run_path(settings, run_id)], read)


def _texts(settings: Settings, run_id: str) -> SourceTexts:
    def read() -> SourceTexts:
        with open_source(settings, run_id) as source:
            return source.texts()

    return _TEXTS.get("texts", [run_path(settings, run_id)], read)


def _head(settings: Settings, run_id: str) -> tuple[RunRecord, int]:
    def read() -> tuple[RunRecord, int]:
        with open_source(settings, run_id) as source:
            return source.record, source.format

    return _HEADS.get("head", [run_path(settings, run_id)], read)


def _candidates(
    settings: Settings,
    study: Study,
    identity: Identity,
    layers: Sequence[int],
    lost: Collection[str],
) -> list[str]:
    """Runs that were made alike, those of the same study first, newest first."""
    found = []
    for run_id in reversed(list_run_ids(settings)):
        if run_id in lost:
            continue
        try:
            record, number = _head(settings, run_id)
        except (StoreError, *MALFORMED) as fault:
            logger.warning("%s gives nothing: %s", run_id, fault)
            continue
        if number >= _OLDEST and made_alike(record, identity) and {*layers} <= {*record.layers}:
            found.append((record.study_name != study.name, run_id))
    return [run_id for _, run_id in sorted(found, key=lambda entry: entry[0])][:MOST_SOURCES]


def made_alike(record: RunRecord, identity: Identity) -> bool:
    """Whether a run's activations depend on the same as those that are wanted.

    Runs of earlier versions do not say what the model's config held; their weights, tokenizer and
    template decide.

    Args:
        record: of the run.
        identity: what is wanted.
    """
    return (
        forward_pass(record.engine) == identity.engine
        and record.weights_hash == identity.weights_hash
        and record.tokenizer_hash == identity.tokenizer_hash
        and record.chat_template_hash == identity.chat_template_hash
        and record.config_hash in ("", identity.config_hash)
        and record.pooling == identity.pooling
        and record.dtype == identity.dtype
    )


def _same_response(one: Response, other: Response) -> bool:
    """Whether two responses are the same but for their scores."""
    names = ("scenario", "text", "turn", "responder", "messages", "group")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _same_scores(trait: str, before: Study, study: Study) -> bool:
    """Whether all responses, which are the same, have the same scores of a trait."""
    return trait in before.traits and all(
        one.scores.get(trait) == other.scores.get(trait)
        for one, other in zip(before.responses, study.responses, strict=True)
    )


def _same_prompts(trait: str, before: Study, study: Study) -> bool:
    """Whether a trait has the same prompts in the same order."""
    old = [prompt for prompt in before.prompts if prompt.trait == trait]
    new = [prompt for prompt in study.prompts if prompt.trait == trait]
    # Two prompts are equal whatever they are paired with.
    return old == new and [prompt.pair for prompt in old] == [prompt.pair for prompt in new]
