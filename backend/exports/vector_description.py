"""What is said of exported vectors: in the head of their file, and as a table on screen."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from backend.exports.vectors import Vector, VectorSet

SIGN = "high minus low: adding the vector moves towards the high pole"
SCALE = "not normalised: its length is the distance between the poles, in activation units"
WHERE = "add to the output of decoder block `layer`, blocks counted from 1, before any final norm"
CAVEAT = (
    "r and its interval know nothing of how the layer or the choices of a saved vector were "
    "picked; where that was by r, they are flattered"
)


def provenance(found: VectorSet) -> dict[str, str]:
    """What the vectors were made from, as text, for the head of an exported file."""
    record = found.run.record
    return {
        "made_by": "Steerscope",
        "run": record.run_id,
        "model": record.model,
        "model_revision": record.model_revision,
        "model_source": record.model_source,
        "weights_hash": record.weights_hash,
        "architecture": record.architecture,
        "width": str(record.width),
        "depth": str(record.depth),
        "study": record.study_name,
        "study_hash": record.study_hash,
        "study_provenance": found.run.study_provenance,
        "prompt_set": found.prompt_set,
        "pooling": record.pooling,
        "sign": SIGN,
        "scale": SCALE,
        "where": WHERE,
        "r_over": record.target,
        "r_caveat": CAVEAT,
    }


def describe(vector: Vector) -> dict[str, object]:
    """What is known of one vector, as JSON values."""
    r = vector.correlation
    return {
        "trait": vector.trait,
        "layer": vector.layer,
        "method": vector.method,
        "method_title": vector.title,
        "pipeline": None if vector.pipeline is None else dataclasses.asdict(vector.pipeline),
        "fitted_on_responses": vector.fitted,
        "norm": vector.norm,
        "n": r.n,
        "r": r.value,
        "r_low": r.low,
        "r_high": r.high,
        "r_undefined_because": r.reason,
    }


def description(vectors: Sequence[Vector], names: Sequence[str]) -> str:
    """JSON: name of a tensor -> what is known of its vector."""
    pairs = zip(names, vectors, strict=True)
    return json.dumps({name: describe(vector) for name, vector in pairs})


def vector_rows(found: VectorSet) -> list[dict[str, object]]:
    """The vectors as a table: what each is, its length, and r with its interval and n."""
    return [
        {
            "trait": vector.trait.replace("_", " "),
            "method": vector.title,
            "layer": vector.layer,
            "||v|| (activation units)": f"{vector.norm:.4g}",
            "r": f"undefined: {r.reason}" if r.value is None else f"{r.value:+.3f}",
            "95% interval": "none"
            if r.low is None or r.high is None
            else f"[{r.low:+.3f}, {r.high:+.3f}]",
            "n": r.n,
        }
        for vector in found.vectors
        for r in (vector.correlation,)
    ]
