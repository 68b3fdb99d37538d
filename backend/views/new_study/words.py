"""The sentences of the New study page; some are those of its commands, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.asking.forecast import AskingForecast, Price
from backend.views.runs.tables import duration

BY_DESIGN = (
    "Responses are answers in turn under no system message and under ones that ask for a little, "
    "for much and for the opposite of the trait. Their scores differ by design, so r can be lower "
    "on responses without such messages."
)
OWN_JUDGE = "A judge that is the same model as the writer judges its own texts."
NO_ENDPOINT = (
    "No endpoint may be named on this dashboard. Whoever runs it can allow some by "
    "STEERSCOPE_ENDPOINTS (docs/trust.md)."
)
KEY = (
    "The server asks the endpoint with the key in its OPENAI_API_KEY, if there is one. The key is "
    "not shown and not kept."
)
KINDS = {
    "write": "Write the study",
    "respond": "Answer the chats of",
    "add-prompts": "Write a prompt set for",
    "judge": "Judge",
}


def forecast_sentence(told: AskingForecast, price: Price | None, prices: str) -> str:
    """What asking will take.

    Args:
        told: the forecast.
        price: of tokens; None where it is not known.
        prices: how the user can say them.
    """
    kept = told.questions - told.left
    parts = [
        f"{told.left} requests" + (f" ({kept} of {told.questions} are answered)" if kept else ""),
        f"about {told.tokens_in:,} tokens in ({told.counted}), at most "
        f"{told.most_tokens_out:,} out",
        "time not known before the first answers"
        if told.seconds is None
        else f"about {duration(told.seconds)}",
        f"cost not known without {prices}"
        if price is None
        else f"cost at most about {price.of(told.tokens_in, told.most_tokens_out):.2f}",
    ]
    return f"{'; '.join(parts)}."


def title(kind: str, values: Mapping[str, Any]) -> str:
    """What a task does, with what.

    Args:
        kind: of ``KINDS``.
        values: what was asked.
    """
    study = values.get("wanted", {}).get("name") or values.get("study") or values.get("draft")
    return f"{KINDS[kind]} {study}"


def result_lines(kind: str, result: Mapping[str, Any]) -> list[str]:
    """What came of a task, in sentences.

    Args:
        kind: of ``KINDS``.
        result: of a finished task.
    """
    if kind == "judge":
        return _judged(result)
    if kind == "add-prompts":
        then = f" Run {result['run']} extracts it." if result["run"] else ""
        return [f"Prompt set {result['prompt_set']} is in the revision {result['study']}.{then}"]
    return [f"The draft {result['draft']} is written. It has no scores yet.", *result["notes"]]


def _judged(result: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{result['scored']} of {result['asked']} responses x traits scored, in the revision "
        f"{result['study']}."
    ]
    lines += [
        f"Without a score: {count} answers, {why}."
        for why, count in sorted(result["missing"].items())
    ]
    coherence = result["coherence"]
    if coherence["mean"] is not None:
        lines.append(
            f"Coherence of {coherence['responses']} responses: mean {coherence['mean']:.3g}, "
            f"{coherence['below']} below {coherence['half']:g}."
        )
    if result["tokens"] is not None:
        lines.append(f"Tokens: {result['tokens'][0]:,} in, {result['tokens'][1]:,} out.")
    return lines
