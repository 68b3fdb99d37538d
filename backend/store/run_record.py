"""What a run was made from: enough to make it again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from backend.types import Pooling, Target

# ``model_source`` of a run whose activations were simulated; pages say so wherever they show it.
SIMULATED = "simulated"
# ``model_source`` of a run whose activations were taken elsewhere and imported.
IMPORTED = "imported"
# Key of the prompts' tokens, which lie beside a run's provenance: ids, last pooled token, its text.
PROMPT_TOKENS = "prompt_tokens"
# Entries that runs of earlier versions lack.
_NEWER = ("notices", "config_hash", "reused")


@dataclass(frozen=True)
class RunRecord:
    """Provenance of one run.

    Attributes:
        run_id: name of the run and of its file.
        created_at: UTC, ISO 8601, when the extraction was first begun.
        study_name: name of the study.
        study_hash: content hash of the study.
        target: whether r is over drifts or levels, or there is none.
        model: the reference as the user gave it.
        model_name: short name for columns and axes.
        model_revision: commit of the Hub repository, or empty.
        model_source: hub, folder, gguf or wheel; ``simulated`` for a phantom, ``imported`` for
            activations that were taken elsewhere.
        weights_hash: sha256 over the weights; of imported activations, over their file.
        tokenizer_hash: sha256 of the tokenizer file.
        chat_template_hash: sha256 of the chat template, or empty.
        architecture: class name of the model.
        width: d, coordinates of an activation.
        depth: decoder blocks.
        layers: layers extracted, ascending; 0 is the embedding output.
        pooling: its name.
        batch_tokens: padded tokens per batch.
        device: device that ran it.
        dtype: floating-point type of the weights; activations are stored as float32.
        engine: local, ray, vllm, phantom or imported.
        seed: seed of everything random in the derived numbers.
        versions: library -> version.
        notices: what a reader of the run should know of its texts and model, as sentences; empty in
            runs of earlier versions too.
        config_hash: sha256 over what the model's config says of its architecture; empty in runs
            of earlier versions and simulated ones.
        reused: run id -> how many texts' activations were taken from that run; empty where all
            were extracted.
    """

    run_id: str
    created_at: str
    study_name: str
    study_hash: str
    target: Target
    model: str
    model_name: str
    model_revision: str
    model_source: str
    weights_hash: str
    tokenizer_hash: str
    chat_template_hash: str
    architecture: str
    width: int
    depth: int
    layers: tuple[int, ...]
    pooling: Pooling
    batch_tokens: int
    device: str
    dtype: str
    engine: str
    seed: int
    versions: Mapping[str, str]
    notices: tuple[str, ...] = ()
    config_hash: str = ""
    reused: Mapping[str, int] = field(default_factory=dict)

    def to_rows(self) -> dict[str, str]:
        """Key -> JSON value, one row each in the run table."""
        return {
            entry.name: json.dumps(_plain(getattr(self, entry.name)))
            for entry in dataclasses.fields(self)
        }

    @classmethod
    def from_rows(cls, rows: Mapping[str, str]) -> RunRecord:
        """Read back what :meth:`to_rows` wrote."""
        values = {
            entry.name: json.loads(rows[entry.name])
            for entry in dataclasses.fields(cls)
            if entry.name in rows or entry.name not in _NEWER
        }
        values["layers"] = tuple(values["layers"])
        values["notices"] = tuple(values.get("notices", ()))
        return cls(**values)


def _plain(value: object) -> object:
    return dict(value) if isinstance(value, Mapping) else value
