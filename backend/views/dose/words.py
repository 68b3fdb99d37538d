"""What is said beside a dose-response."""

from __future__ import annotations

from collections.abc import Sequence

from backend.core.dose import Band, Steerability
from backend.core.estimate import Estimate
from backend.steering.interventions import WHERE
from backend.views.dose.compute import DoseResult, MeasureResult
from backend.views.dose.measures import unit_words

NONE = (
    "No dose-response of this trait has been measured on this run. Choose a layer and strengths "
    "below; the worker answers the study's questions at each strength, and along random directions "
    "of the same length."
)
NO_MODEL = (
    "The activations of this run were simulated or imported: there is no model to steer. Choose a "
    "run that was extracted from a model."
)
OTHER_VECTOR = (
    "This was measured with another vector of this name: the run was derived again or replaced "
    "since, or the vector was. It says nothing of the present one."
)
ANSWERS = "What the model answered at each strength. Scroll sideways; a click shows a whole cell."
SEE = (
    "Mean change against the same questions unsteered, with its 95% interval. Grey: what one more "
    "random direction of the same length would do, with 95% probability. A vector steers where its "
    "slope lies above that."
)
SLOPES = (
    "Each point is one item: the slope of its measure over the strength. Left of zero it moves "
    "the wrong way."
)
LAYERS = "The newest dose-response of each layer; grey: one more random direction."
STEERS = {True: "Steers", False: "Does not steer", None: "Not clear whether it steers"}


def newest_by_layer(results: Sequence[DoseResult], like: DoseResult) -> tuple[DoseResult, ...]:
    """The newest of each layer that was measured like one of them.

    Args:
        results: newest first.
        like: same vector, unit, steered tokens and measure of behaviour as this.
    """

    def kind(one: DoseResult) -> tuple[str, str, str, str, str]:
        steered = one.record.steered
        return (
            steered.vector,
            steered.prompt_set,
            steered.unit,
            steered.where,
            one.behaviour.measure.name,
        )

    found: dict[int, DoseResult] = {}
    for one in results:
        if kind(one) == kind(like):
            found.setdefault(one.record.steered.layer, one)
    return tuple(found[layer] for layer in sorted(found))


def forecast(questions: int) -> str:
    """What a measurement takes, in a sentence. Args: questions: that are answered."""
    return (
        f"{questions} questions are answered at every strength and along every random direction. "
        "With SmolLM2-135M on two CPU cores this takes some minutes a layer, in turn with "
        "extractions. A judge can score the answers on the command line (dose --judge-endpoint)."
    )


def title(result: DoseResult) -> str:
    """A dose-response in a list: layer, vector, when. Args: the dose-response."""
    steered = result.record.steered
    when = result.record.created_at[:16].replace("T", " ")
    return f"layer {steered.layer} · {steered.vector.replace('_', ' ')} · {when}"


def answer(result: DoseResult) -> str:
    """Whether the vector steers, in a sentence. Args: the dose-response."""
    found = result.behaviour
    slope = found.steerability.slope
    what = found.measure.title.lower()
    head = STEERS[found.steerability.steers]
    if slope.value is None:
        return f"{head}: the {what} has no slope, as {slope.reason}."
    unit = unit_words(result.record.steered.unit, one=True)
    return (
        f"{head}: the {what} changes by {_number(slope)} per {unit}; one more random direction "
        f"would change it by {band_text(found.steerability.band)}."
    )


def wrong_way(found: Steerability) -> str:
    """How many items move the wrong way, in a sentence. Args: of a measure."""
    share = found.wrong_way
    if share.value is None:
        return f"No item has a slope: {share.reason}."
    interval = (
        f" [{share.low:.0%}, {share.high:.0%}]"
        if share.low is not None and share.high is not None
        else ""
    )
    return f"{share.value:.0%}{interval} of {share.n} items move the wrong way."


def coherence(result: DoseResult) -> str:
    """From which strength answers fall apart, in a sentence. Args: the dose-response."""
    measured = [one for one in result.measures if one.measure.limit is not None]
    if not measured:
        return ""
    limits = " or ".join(
        f"{one.measure.title.lower()} {'rises' if (one.measure.limit or 0) > 0 else 'falls'} by "
        f"more than {abs(one.measure.limit or 0):g}"
        for one in measured
    )
    below, above = result.lost
    where = [f"{strength:+g}" for strength in (below, above) if strength is not None]
    if not where:
        return f"Coherence holds at every strength that was tried (lost where {limits}, for sure)."
    return f"Coherence is lost from {' and '.join(where)} on ({limits}, for sure)."


def how(result: DoseResult) -> str:
    """How it was measured, in a line. Args: the dose-response."""
    record, steered = result.record, result.record.steered
    parts = [
        f"{len(record.items)} questions",
        f"{len(record.pairs)} pairs" if record.pairs else "no pairs of prompts",
        f"{record.directions} random directions",
        f"answers of up to {steered.tokens} tokens at temperature {steered.temperature:g}",
        f"steered: {next(words for name, words in WHERE.items() if name == steered.where)}",
        f"1 unit of strength is {steered.unit_size:.3g} in activations",
    ]
    if steered.residual_norm is not None and steered.unit != "norm":
        share = steered.unit_size / steered.residual_norm
        parts.append(f"{share:.0%} of the mean residual norm")
    if steered.judge:
        parts.append(f"scored by {steered.judge}")
    return f"{'; '.join(parts)}."


def band_text(band: Band) -> str:
    """What a random direction would do. Args: the band."""
    if band.low is None or band.high is None:
        return f"an unknown amount ({band.reason})"
    return f"{band.low:+.2g} to {band.high:+.2g}"


def caption(found: MeasureResult) -> str:
    """What a measure is, and what to see. Args: the measure."""
    return f"{found.measure.about} {SEE}"


def _number(found: Estimate) -> str:
    assert found.value is not None
    shown = f"{found.value:+.2g}"
    if found.low is None or found.high is None:
        return f"{shown} (no interval: {found.reason})"
    return f"{shown} [{found.low:+.2g}, {found.high:+.2g}]"
