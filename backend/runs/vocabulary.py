"""Which tokens a vector points at through a model's unembedding, layer by layer."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from backend.core.arrays import Floats
from backend.core.extremes import ExtremesOf
from backend.errors import read_back
from backend.runs.directions import DirectionKey, directions
from backend.runs.imported_vectors import named_vectors
from backend.runs.model_of_run import another_model, check_answers, model_of_run
from backend.settings import Settings
from backend.store.run import Run, open_run
from backend.types import Progress

# Tokens of each end.
MOST = 20
# Directions drawn by lot, to see how far the nearest token of any direction is.
DRAWS = 100
_SEED = 0
# Processor time of the tokenizer, for the tokens that are shown.
_CPU_SECONDS = 30


@dataclass(frozen=True)
class VocabularyRequest:
    """Which vector, at which layers.

    Attributes:
        run_id: a published run.
        prompt_set: of a method's vector.
        key: the vector.
        layers: of the run, ascending.
        asked_of: as in :class:`backend.runs.token_view.TokenRequest`.
    """

    run_id: str
    prompt_set: str
    key: DirectionKey
    layers: tuple[int, ...]
    asked_of: str = ""

    def to_values(self) -> dict[str, Any]:
        """As plain JSON."""
        parts = {"key": self.key.to_values(), "layers": list(self.layers)}
        return dataclasses.asdict(self) | parts

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> VocabularyRequest:
        """From what :meth:`to_values` gave.

        Raises:
            JobError: it is something else.
        """
        with read_back("for tokens of the vocabulary"):
            return cls(
                run_id=str(values["run_id"]),
                prompt_set=str(values["prompt_set"]),
                key=DirectionKey.from_values(values["key"]),
                layers=tuple(int(layer) for layer in values["layers"]),
                asked_of=str(values["asked_of"]),
            )


@dataclass(frozen=True)
class NearToken:
    """One token of the vocabulary.

    Attributes:
        token_id: its row of the head.
        text: what it stands for after other text.
        product: of its row with the vector of length 1, the final norm's scale folded in: by how
            much its logit rises where the last residual stream moves by 1 along the vector and has
            a root mean square of 1.
        z: the product less its mean over the vocabulary, over its standard deviation there.
    """

    token_id: int
    text: str
    product: float
    z: float


@dataclass(frozen=True)
class LayerWords:
    """The tokens nearest to a vector of one layer.

    Attributes:
        layer: the layer.
        top: whose logits the vector raises most, the first most of all.
        bottom: whose logits it lowers most.
        mean: of the product over the vocabulary.
        deviation: standard deviation of the same.
    """

    layer: int
    top: tuple[NearToken, ...]
    bottom: tuple[NearToken, ...]
    mean: float
    deviation: float


@dataclass(frozen=True)
class Vocabulary:
    """What a vector says.

    Attributes:
        request: what was asked.
        layers: those at which there is a vector.
        reasons: layer -> why there is none.
        tokens: number of tokens of the vocabulary.
        tied: whether the head is the embedding.
        norm: class of the final norm whose scale is folded in; empty where there is none.
        chance: 95% of directions drawn by lot have no token whose z is larger, either way.
        seconds: for reading the head and multiplying.
    """

    request: VocabularyRequest
    layers: tuple[LayerWords, ...]
    reasons: Mapping[int, str]
    tokens: int
    tied: bool
    norm: str
    chance: float
    seconds: float

    def to_values(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "request": self.request.to_values(),
            "layers": [dataclasses.asdict(layer) for layer in self.layers],
            "reasons": [[layer, why] for layer, why in self.reasons.items()],
            "tokens": self.tokens,
            "tied": self.tied,
            "norm": self.norm,
            "chance": self.chance,
            "seconds": self.seconds,
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Vocabulary:
        """From what :meth:`to_values` gave."""
        return cls(
            request=VocabularyRequest.from_values(values["request"]),
            layers=tuple(
                LayerWords(
                    layer["layer"],
                    tuple(NearToken(**token) for token in layer["top"]),
                    tuple(NearToken(**token) for token in layer["bottom"]),
                    layer["mean"],
                    layer["deviation"],
                )
                for layer in values["layers"]
            ),
            reasons={layer: why for layer, why in values["reasons"]},
            tokens=values["tokens"],
            tied=values["tied"],
            norm=values["norm"],
            chance=values["chance"],
            seconds=values["seconds"],
        )


def check_vocabulary(settings: Settings, request: VocabularyRequest) -> None:
    """Refuse what cannot be answered, without the model.

    Raises:
        StoreError: no model made the run, or it lacks a layer or the vector at all of them.
        RunNotFound, UnreadableFile: the run cannot be read.
    """
    with open_run(settings, request.run_id) as run:
        _units(settings, run, request)


def vocabulary(
    settings: Settings,
    request: VocabularyRequest,
    report: Callable[[Progress], object] = lambda _: None,
) -> Vocabulary:
    """The tokens nearest to a vector through the unembedding of its run's model.

    The products are computed in float64 from the head alone; the rest of the model is not read.

    Args:
        settings: where runs and models are.
        request: which vector.
        report: told what is being done; what it raises ends the work.

    Raises:
        StoreError: as :func:`check_vocabulary`, or the model is another than when the run was made.
        ModelError: the model is not on this machine, or has no head that can be read.
    """
    # Imported here: only this needs torch and transformers, which take seconds.
    from backend.extraction.apart import apart
    from backend.extraction.tokens import after_text
    from backend.extraction.unembedding import open_unembedding
    from backend.models.load import load_tokenizer, tokenizer_hash_of

    with open_run(settings, request.run_id) as run:
        units, reasons = _units(settings, run, request)
        record = run.record
    resolved = model_of_run(settings, record, report)
    tokenizer = load_tokenizer(resolved.folder, record.model)
    if tokenizer_hash_of(tokenizer, resolved.folder) != record.tokenizer_hash:
        raise another_model(record, "another tokenizer")
    rng = np.random.default_rng(_SEED)
    drawn = rng.normal(size=(DRAWS, record.width))
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    begun = time.monotonic()
    with ExitStack() as files:
        report(Progress("reading the unembedding"))
        head = open_unembedding(resolved, files)
        # Rows beyond the tokenizer's are of no token: heads are padded to round numbers.
        count = min(head.rows, len(tokenizer))
        found = ExtremesOf(MOST)
        for part in head.products(np.concatenate([*units.values(), drawn]), count):
            report(Progress("multiplying with the unembedding"))
            found.add(part)
    ends = found.found()
    z_top = (ends.top_values[:, 0] - ends.means) / ends.deviations
    z_bottom = (ends.bottom_values[:, 0] - ends.means) / ends.deviations
    own = len(units)
    shown = np.unique(np.concatenate([ends.top[:own], ends.bottom[:own]])).tolist()
    spelled = apart(
        lambda: after_text(tokenizer, shown),
        record.model,
        partial(report, Progress("spelling tokens")),
        cpu_seconds=_CPU_SECONDS,
    )
    texts = dict(zip(shown, spelled, strict=True))

    def near(place: int, ids: Any, values: Any) -> tuple[NearToken, ...]:
        mean, deviation = ends.means[place], ends.deviations[place]
        return tuple(
            NearToken(int(token), texts[token], float(value), float((value - mean) / deviation))
            for token, value in zip(ids.tolist(), values.tolist(), strict=True)
        )

    return Vocabulary(
        request=request,
        layers=tuple(
            LayerWords(
                layer,
                near(place, ends.top[place], ends.top_values[place]),
                near(place, ends.bottom[place], ends.bottom_values[place]),
                float(ends.means[place]),
                float(ends.deviations[place]),
            )
            for place, layer in enumerate(units)
        ),
        reasons=reasons,
        tokens=count,
        tied=head.tied,
        norm=head.norm,
        chance=float(np.quantile(np.maximum(z_top[own:], -z_bottom[own:]), 0.95)),
        seconds=time.monotonic() - begun,
    )


def _units(
    settings: Settings, run: Run, request: VocabularyRequest
) -> tuple[dict[int, Floats], dict[int, str]]:
    """Layer -> unit vector, [1, d], and layer -> why there is none."""
    check_answers(run, request.layers)
    named = named_vectors(settings)
    found = directions(run, named, [request.key], request.prompt_set, request.layers)
    found.check_some()
    found.check_identity(request.run_id, request.asked_of)
    units = {
        layer: found.units[:, place]
        for place, layer in enumerate(request.layers)
        if (0, layer) not in found.reasons
    }
    return units, {layer: why for (_, layer), why in found.reasons.items()}
