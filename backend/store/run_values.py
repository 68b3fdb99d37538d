"""What a run gives to its readers: frozen values, in the words of docs/glossary.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from backend.core.arrays import Bools, Floats, Integers
from backend.core.cases import Cases
from backend.core.estimate import Estimate
from backend.core.first_token import FirstTokens
from backend.core.moments import Moments
from backend.core.vectors.cell_stack import CellStack, stack
from backend.core.vectors.controls import Control
from backend.poolings import pooling_title
from backend.store.run_record import IMPORTED, SIMULATED, RunRecord
from backend.types import Pole, Pooling, Turn

# Scenario, responder and turn of a case.
CaseKey = tuple[str, str, str]


@dataclass(frozen=True)
class RunSummary:
    """A published run in one line.

    Attributes:
        record: its provenance.
        study_title: title of its study.
        study_provenance: who wrote and scored the study.
        prompts: number of prompts.
        responses: number of responses.
        prompt_sets: names of its prompt sets.
        traits: names of its traits, in the study's order.
        forward_seconds: time spent in forward passes.
        derive_seconds: time spent on what is computed from the activations.
        tokens: tokens read by the model, padding not counted.
        bytes: size of the file.
        derivation: version of the code that computed its derived tables.
    """

    record: RunRecord
    study_title: str
    study_provenance: str
    prompts: int
    responses: int
    prompt_sets: tuple[str, ...]
    traits: tuple[str, ...]
    forward_seconds: float
    derive_seconds: float
    tokens: int
    bytes: int
    derivation: int

    @property
    def run_id(self) -> str:
        """Its id, the name of its file."""
        return self.record.run_id

    @property
    def study_key(self) -> str:
        """``name@hash`` of its study."""
        return f"{self.record.study_name}@{self.record.study_hash}"

    @property
    def simulated(self) -> bool:
        """Whether its activations were drawn by a phantom and read by no model."""
        return self.record.model_source == SIMULATED

    @property
    def has_model(self) -> bool:
        """Whether a model that can be loaded again read its texts."""
        return self.record.model_source not in (SIMULATED, IMPORTED)

    @property
    def label(self) -> str:
        """Short name for axes and choices: model, and pooling where it is not the mean."""
        pooling = self.record.pooling
        shown = "" if pooling == "mean" else f" · {pooling_title(pooling)}"
        return f"{self.record.model_name}{shown}"

    @property
    def middle_layer(self) -> int:
        """What is shown where r is undefined at every layer, so that none is the best."""
        layers = self.record.layers
        return layers[len(layers) // 2]


@dataclass(frozen=True)
class CellKey:
    """Which cell of a run. Attributes: trait, prompt_set and layer."""

    trait: str
    prompt_set: str
    layer: int


@dataclass(frozen=True)
class CellResult:
    """Metrics and r of one cell.

    Attributes:
        key: which cell.
        target: ``drift``, ``level`` or ``none``: what r is taken over.
        correlation: r within responders, with interval, p and n.
        pooled: r over all responders together; the same where there is one.
        bootstrap: the same r with its BCa bootstrap interval over scenarios.
        rank: Spearman's rho with its interval.
        controls: kind (shuffled_labels, random_direction) -> how r compares with it.
        metrics: every registered metric by name; undefined where this run does not have it.
    """

    key: CellKey
    target: str
    correlation: Estimate
    pooled: Estimate
    bootstrap: Estimate
    rank: Estimate
    controls: dict[str, Control]
    metrics: dict[str, Estimate]


@dataclass(frozen=True)
class CorrelationRow:
    """r of one vector.

    Attributes:
        method: how the vector was built.
        trait: the trait.
        prompt_set: which prompts.
        layer: the layer.
        target: what r is taken over.
        correlation: r within responders, with interval, p and n.
        pooled: r over all responders together; the same where there is one.
        bootstrap: the same r with its BCa bootstrap interval over scenarios.
        rank: Spearman's rho with its interval.
    """

    method: str
    trait: str
    prompt_set: str
    layer: int
    target: str
    correlation: Estimate
    pooled: Estimate
    bootstrap: Estimate
    rank: Estimate


@dataclass(frozen=True)
class BestLayerRow:
    """The layer with the highest r of one method, trait and prompt set.

    Attributes:
        method: how the vectors were built.
        trait: the trait.
        prompt_set: which prompts.
        layer: the best one; None where r is undefined at every layer.
        of_layers: among how many layers with a vector.
        p: one-sided permutation p of the maximum over the layers; None where undefined.
        null_95: what the maximum exceeds in 5% of permutations, where nothing is there.
        held_out: r on halves of the scenarios that the layer was not chosen on.
        reason: why something is missing; None if all is there.
    """

    method: str
    trait: str
    prompt_set: str
    layer: int | None
    of_layers: int
    p: float | None
    null_95: float | None
    held_out: Estimate
    reason: str | None


@dataclass(frozen=True)
class PromptRow:
    """One prompt at one layer.

    Attributes:
        prompt_id: its number in the study.
        pole: high or low.
        prompt_set: which set it belongs to.
        text: the prompt.
        tokens: how many tokens were pooled.
        norm: ||x_i||, activation units.
    """

    prompt_id: int
    pole: Pole
    prompt_set: str
    text: str
    tokens: int
    norm: float


@dataclass(frozen=True)
class CellProducts:
    """One cell's inner products under one metric.

    Attributes:
        trait: the trait.
        layer: the layer.
        prompt_ids: its prompts, in the order of the study, [n].
        gram: G = PMP', [n, n].
        high: True for the high pole, [n].
        moments: S, b and y'y.
        pairs: pair of each prompt as 0..k-1, -1 for none, [n]; None where there are none.
    """

    trait: str
    layer: int
    prompt_ids: tuple[int, ...]
    gram: Floats
    high: Bools
    moments: Moments
    pairs: Integers | None

    def stacked(self, width: int) -> CellStack:
        """The cell as a stack of its own. Args: width: d."""
        return stack([self.gram], [self.high], [self.moments], width, [self.pairs])


@dataclass(frozen=True)
class PromptFirstTokens:
    """The first tokens of the prompts of one cell.

    Attributes:
        pooling: how the run pooled.
        tokens: how many tokens each prompt's mean is over, [n], by prompt id; 0 where that is not
            known.
        first: of the same prompts, [n]; None where nothing was recorded: a simulated run, or one
            of a format before it.
        response_share: median of the first token's share over all responses; None likewise.
    """

    pooling: Pooling
    tokens: Floats
    first: FirstTokens | None
    response_share: float | None


@dataclass(frozen=True, eq=False)
class ScoredCases:
    """The cases of one trait that enter r, by case id, which is the order of every drift.

    Attributes:
        scenarios: scenario of each case.
        responders: who responded.
        groups: what makes cases dependent: by default the scenario.
        first_response: id of the first turn's response, [cases]; None for levels.
        last_response: id of the last turn's (or of the single one), [cases].
        first: score at the first turn, [cases]; None for levels.
        last: score at the last turn (or of the single response), [cases].
        behaviour: drift of the score (or its level), [cases].
        length: drift (or level) of the response's number of tokens, [cases]; zeros where that is
            not known.
        length_known: whether it is known: not of every imported run.
    """

    scenarios: tuple[str, ...]
    responders: tuple[str, ...]
    groups: tuple[str, ...]
    first_response: Integers | None
    last_response: Integers
    first: Floats | None
    last: Floats
    behaviour: Floats
    length: Floats
    length_known: bool = True

    @classmethod
    def none(cls) -> ScoredCases:
        """No cases at all."""
        empty = np.zeros(0)
        return cls((), (), (), None, np.zeros(0, np.intp), None, empty, empty, empty)

    def __len__(self) -> int:
        return len(self.behaviour)

    def drift_of(self, values: Floats) -> Floats:
        """Drift (or level) over the cases of what every response has, [cases, ...].

        Args:
            values: by response id, [responses, ...].
        """
        last: Floats = values[self.last_response]
        return last if self.first_response is None else last - values[self.first_response]

    def cases(self, x: Floats, y: Floats | None = None) -> Cases:
        """The cases with a predictor of the behaviour.

        Args:
            x: such as projection drift, [cases].
            y: what is predicted; None for the behaviour.
        """
        shown = self.behaviour if y is None else y
        return Cases.of_study(x, shown, self.scenarios, self.responders, self.groups)


@dataclass(frozen=True, eq=False)
class TurnValues:
    """Every response that has a turn, conversation by conversation and in the order of turns.

    Attributes:
        response_ids: number of each in the study, [n].
        scenarios: what it responds to, [n].
        responders: who responded, [n].
        groups: what makes responses dependent, [n]: by default the scenario.
        turns: names of backend.turns, [n].
        scores: of one trait, [n]; NaN where it was not scored.
        projections: along one vector, activation units, [n]; NaN where there is no vector.
    """

    response_ids: Integers
    scenarios: tuple[str, ...]
    responders: tuple[str, ...]
    groups: tuple[str, ...]
    turns: tuple[Turn, ...]
    scores: Floats
    projections: Floats


@dataclass(frozen=True)
class ScoredText:
    """One response with its score of one trait.

    Attributes:
        response_id: its number in the study.
        scenario: what it responds to.
        turn: a name of backend.turns, or None where responses have no turn.
        responder: who responded.
        text: its beginning.
        cut: whether the text goes on.
        score: of the trait; None where it was not scored.
    """

    response_id: int
    scenario: str
    turn: str | None
    responder: str
    text: str
    cut: bool
    score: float | None


@dataclass(frozen=True, eq=False)
class RepeatedScores:
    """The cases of one trait whose scores were given several times.

    Attributes:
        scorings: score drift (or level) of each such case by each scoring, [cases, k]; k is the
            fewest scorings that any of them has.
        responders: who responded, [cases].
        every: whether these are all the cases of the trait.
    """

    scorings: Floats
    responders: tuple[str, ...]
    every: bool

    def of_responder(self, responder: str | None) -> RepeatedScores:
        """The same of one responder's cases; None for all."""
        if responder is None:
            return self
        chosen = [place for place, own in enumerate(self.responders) if own == responder]
        return RepeatedScores(self.scorings[chosen], (responder,) * len(chosen), self.every)


@dataclass(frozen=True, eq=False)
class ProductCases:
    """The cases of one cell: what each prompt's product with the responses does.

    Attributes:
        drifts: drift (or level) of RMP' per case and prompt of the cell, [cases, n].
        cases: who, and which scores.
    """

    drifts: Floats
    cases: ScoredCases


@dataclass(frozen=True)
class CaseTexts:
    """The cases of one trait, in the order of every drift of the run.

    Attributes:
        cases: scenario, responder and turn.
        groups: what makes cases dependent: by default the scenario.
        texts: digest of the texts of each case, conversation included.
        behaviour: score drift (or level), [n].
    """

    cases: tuple[CaseKey, ...]
    groups: tuple[str, ...]
    texts: tuple[str, ...]
    behaviour: Floats


@dataclass(frozen=True, eq=False)
class StoredVector:
    """One vector of a run.

    Attributes:
        trait: the trait.
        method: how it was built.
        layer: the layer.
        values: [d], not normalised.
        correlation: r of its projections with the behaviour.
    """

    trait: str
    method: str
    layer: int
    values: Floats
    correlation: Estimate


@dataclass(frozen=True, eq=False)
class KeptMethod:
    """What is stored of a method that was fitted to responses.

    Attributes:
        vector: [d], not normalised; None where undefined.
        projections: of every response of the study, NaN where it has none, [N].
        reason: why r is undefined; None where it is defined.
    """

    vector: Floats | None
    projections: Floats
    reason: str | None


@dataclass(frozen=True)
class StoredTable:
    """One table of a file, before it is exported.

    Attributes:
        name: as in docs/tables.md.
        rows: how many.
        columns: their names.
        csv_bytes: about the size as CSV, from its first rows; None where CSV is not offered.
        parquet_bytes: more than the size as Parquet, which is compressed.
    """

    name: str
    rows: int
    columns: tuple[str, ...]
    csv_bytes: int | None
    parquet_bytes: int

    def bytes_as(self, form: TableFormat) -> int | None:
        """The expected size in a format; None where it is not offered."""
        return self.csv_bytes if form == "csv" else self.parquet_bytes


TableFormat = Literal["csv", "parquet"]
