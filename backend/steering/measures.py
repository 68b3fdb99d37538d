"""What is measured of a steered answer, without looking at what the steering did to it.

An answer is read again by the model as it is, without steering: how likely it is, and where it
lies along the vector. So a vector that only pushes activations, and changes no word, changes
neither.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from backend.core.arrays import Floats
from backend.steering.hooks import PADDING, PROMPT, Readout, SteerableModel, steered
from backend.steering.interventions import Intervention

# Answers that are read again together: their logits over the vocabulary must fit into memory.
ROWS = 8


@dataclass(frozen=True)
class AnswerMeasures:
    """Measures of one answer.

    Attributes:
        projection: mean of its tokens' projections on v̂, read without steering, in units of
            activations; NaN without tokens.
        nll: mean of -log p of its tokens under the model without steering, in nats; its exponential
            is the perplexity; NaN without tokens.
        distinct: share of its pairs of neighbouring tokens that are not repeats; NaN below two
            tokens.
    """

    projection: float
    nll: float
    distinct: float


def read_again(
    model: SteerableModel,
    chat: Sequence[int],
    answers: Sequence[Sequence[int]],
    reading: Readout,
) -> list[AnswerMeasures]:
    """Measures of answers to one chat, by the model without steering.

    Args:
        model: that answered.
        chat: its tokens, up to where the model answers.
        answers: tokens of each.
        reading: layer and vector.
    """
    found: list[AnswerMeasures] = []
    for start in range(0, len(answers), ROWS):
        found += _read_some(model, chat, answers[start : start + ROWS], reading)
    return found


def _read_some(
    model: SteerableModel,
    chat: Sequence[int],
    answers: Sequence[Sequence[int]],
    reading: Readout,
) -> list[AnswerMeasures]:
    longest = max(map(len, answers))
    if longest == 0:
        return [AnswerMeasures(*[float("nan")] * 3) for _ in answers]
    # Padded on the right of a causal model: what stands before cannot see it.
    rows = [[*chat, *answer, *[0] * (longest - len(answer))] for answer in answers]
    ids = torch.tensor(rows, device=model.loaded.device)
    kinds = torch.full(ids.shape, PROMPT, dtype=torch.int8)
    for place, answer in enumerate(answers):
        kinds[place, len(chat) + len(answer) :] = PADDING
    with steered(model, [()] * len(answers), [reading]) as hooks, torch.inference_mode():
        hooks.expect(kinds)
        logits = _logits(model, ids, longest + 1)
        projections = hooks.reads[0].before[:, len(chat) :].double().cpu().numpy()
    losses = -torch.log_softmax(logits[:, :-1].float(), dim=-1)
    targets = ids[:, len(chat) :, None]
    nll = losses.gather(2, targets)[..., 0].double().cpu().numpy()
    found = []
    for place, answer in enumerate(answers):
        count = len(answer)
        found.append(
            AnswerMeasures(
                projection=float(projections[place, :count].mean()) if count else float("nan"),
                nll=float(nll[place, :count].mean()) if count else float("nan"),
                distinct=distinct_pairs(answer),
            )
        )
    return found


def distinct_pairs(tokens: Sequence[int]) -> float:
    """Share of pairs of neighbouring tokens that are not repeats of an earlier one, (0, 1]; NaN
    below two tokens. Near 1 for text, near 0 for what repeats itself (distinct-2 of Li et al. 2016,
    arXiv 1510.03055).

    Args:
        tokens: of an answer.
    """
    pairs = list(itertools.pairwise(tokens))
    return len(set(pairs)) / len(pairs) if pairs else float("nan")


def logit_differences(
    model: SteerableModel,
    prefix: Sequence[int],
    tokens: tuple[int, int],
    rows: Sequence[Sequence[Intervention]],
) -> Floats:
    """By how much the model prefers one next token to another, under each row's interventions.

    Args:
        model: any.
        prefix: tokens before; all count as the prompt's.
        tokens: the preferred and the other one.
        rows: interventions of each row.

    Returns:
        logit of the first less logit of the second, [rows]; in nats, as a logit difference is that
        of log probabilities.
    """
    ids = torch.tensor([list(prefix)] * len(rows), device=model.loaded.device)
    kinds = torch.full(ids.shape, PROMPT, dtype=torch.int8)
    with steered(model, rows) as hooks, torch.inference_mode():
        hooks.expect(kinds)
        logits = _logits(model, ids, 1)[:, -1].double().cpu().numpy()
    found: Floats = np.asarray(logits[:, tokens[0]] - logits[:, tokens[1]], dtype=np.float64)
    return found


def _logits(model: SteerableModel, ids: torch.Tensor, last: int) -> torch.Tensor:
    """Logits of the last tokens, [rows, last, vocabulary]."""
    forward: Any = model.loaded.model
    # Most models can leave the others out, which are large.
    if "logits_to_keep" in inspect.signature(forward.forward).parameters:
        made: torch.Tensor = forward(input_ids=ids, use_cache=False, logits_to_keep=last).logits
    else:
        made = forward(input_ids=ids, use_cache=False).logits
    return made[:, -last:]
