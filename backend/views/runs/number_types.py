"""What a run's number type costs and wins: where it is worth measuring, and by which command."""

from __future__ import annotations

import shlex

from backend.extraction.engine import LOCAL
from backend.models.cpu import multiplies_bfloat16
from backend.types import ExtractionRequest
from backend.views.shared.numbers import layers_option

BFLOAT16 = (
    "If the CPU extracts: this machine's multiplies bfloat16 faster than float32. How much faster "
    "your model is then, and how far its activations move:"
)


def bfloat16_command(request: ExtractionRequest) -> str | None:
    """What measures the gain and the cost of bfloat16 for a request; None where it is asked in
    another number type than float32, or this machine's CPU would not extract it or has no units
    for bfloat16.

    Args:
        request: what is about to be extracted.
    """
    on_cpu = request.device == "cpu" or (request.device == "auto" and request.engine == LOCAL)
    if request.dtype not in ("auto", "float32") or not on_cpu or not multiplies_bfloat16():
        return None
    asked = ("precision", "--study", request.study, "--model", request.model)
    layers = ("--layers", layers_option(request.layers))
    return shlex.join(("python", "-m", "backend", *asked, *layers))
