"""What is said beside a diagnosis, on its page and in its section."""

from __future__ import annotations

from backend.core.estimate import Estimate
from backend.core.status import Status, status_of
from backend.settings import StatusThresholds
from backend.store.run_values import RunSummary
from backend.views.diagnosis.cause import Judgement
from backend.views.diagnosis.diagnose import Diagnosis
from backend.views.diagnosis.rules import outliers, poles, probes, steering, unstable_vector
from backend.views.shared.style import STATUS_SIGNS

VERDICTS = (
    "Supported: the marker exceeds what healthy cells show. Where a fix can be measured, it also "
    "raises r (p below 5%, corrected for all causes and traits of the run). Ruled out: the marker "
    "is as in healthy cells. Undetermined: these data cannot tell."
)
GAINS = (
    "An interval right of zero: this fix raises r; each interval is of one fix. Fix and layer are "
    "chosen on one half of the scenarios and compared with the mean difference on the other half. "
    "A grey marker right of zero: the fix raises r although its own cause was ruled out. Best of "
    "several: the gain of choosing among them on each half, and not of the one that is named."
)
# Causes that lie in what the prompts say, and how.
_OF_WORDING = frozenset(
    {poles.LENGTHS, poles.WORDS, outliers.DIRECTION, probes.UNLIKE, unstable_vector.CAUSE}
)
OTHER_WORDING = (
    "To compare with prompts in other words: this command has a model write 20 pairs of each trait "
    "as a prompt set of their own, and extracts them like this run. The form below does the same."
)
STEERING = "Does this vector steer too? Measure it"
NOT_MEASURED = "This run cannot measure the gain: {reason}."
HELD_OUT = (
    "Gain: measured on scenarios on which neither fix nor layer was chosen. "
    "r before and after: on all scenarios."
)


def title(status: Status) -> str:
    """What the page asks of a cell.

    Args:
        status: of its r.
    """
    if status == "close":
        return "Why is this trait only close to working?"
    return "What limits this trait?" if status == "working" else "Why does this trait fail?"


def status_line(diagnosis: Diagnosis, thresholds: StatusThresholds, of_layers: int) -> str:
    """Status, r and layer of a cell in a line.

    Args:
        diagnosis: of the cell.
        thresholds: where a status begins.
        of_layers: among how many layers its own was the best; 1 if the layer was given.
    """
    status = status_of(diagnosis.r.value, thresholds)
    layer = f"layer {diagnosis.layer}" + ("" if of_layers == 1 else f", best of {of_layers}")
    return f"{STATUS_SIGNS[status]} {status} · {r_sentence(diagnosis.r, 2)[:-1]} · {layer}"


def steering_measured(diagnosis: Diagnosis) -> bool:
    """Whether a dose-response tells whether the vector steers. Args: diagnosis: of the cell."""
    return any(j.cause == steering.MONITORS_ONLY.cause for j in diagnosis.judgements)


def stronger_fix(diagnosis: Diagnosis) -> str:
    """A sentence on a fix that gains more than those of the supported causes; empty without one."""
    found = diagnosis.stronger
    if found is None or found.fix is None:
        return ""
    compared = any(one.fix is not None for one in diagnosis.supported)
    what = "Another fix raises r by more" if compared else "A fix for another cause raises r"
    return (
        f"{what}: {found.fix.label}, {gain_sentence(found.fix.gain)}. The "
        f"cause that it is for ({found.title[0].lower()}{found.title[1:]}) is {found.verdict}, so "
        "why it helps is not known."
    )


def gain_sentence(gain: Estimate) -> str:
    """What a fix does to r on scenarios on which it was not chosen, or why that is not known.

    Args:
        gain: of a fix.
    """
    if gain.value is None:
        return NOT_MEASURED.format(reason=gain.reason)
    shown = f"{gain.value:+.2f}"
    if gain.low is None or gain.high is None:
        return f"{shown}, without an interval"
    said = f"{shown} [{gain.low:+.2f}, {gain.high:+.2f}]"
    return said if gain.low > 0 else f"{said}: not clearly a gain"


def no_fix(judgement: Judgement) -> str:
    """What is said in place of a fix.

    Args:
        judgement: of a cause without one.
    """
    if judgement.remedy:
        return judgement.remedy
    return f"No vector of this run mends this cause. Looks alike: {judgement.confusions}"


def other_wording(judgement: Judgement, run: RunSummary) -> str:
    """The command that shows whether the prompts' wording is to blame; empty for causes that lie
    elsewhere, and for simulated runs, which have no words.

    Args:
        judgement: of a cause.
        run: the run it is of.
    """
    if judgement.cause not in _OF_WORDING or not judgement.marked or run.simulated:
        return ""
    return (
        f"python -m backend add-prompts {run.study_key} --like {run.run_id} "
        "--endpoint URL --model MODEL"
    )


def cause_label(judgement: Judgement) -> str:
    """What stands above a cause beside its fix.

    Args:
        judgement: of a cause; one that is not supported is shown for its fix.
    """
    if judgement.verdict == "supported":
        return "Cause"
    return f"This fix raises r, although its cause is {judgement.verdict}"


def r_sentence(r: Estimate, digits: int) -> str:
    """r of a cell with its interval and n, or why it is undefined.

    Args:
        r: of the mean difference.
        digits: after the point.
    """
    if r.value is None:
        return f"r is undefined: {r.reason}."
    shown = f"r = {r.value:+.{digits}f}"
    if r.low is None or r.high is None:
        return f"{shown} without an interval, n = {r.n}."
    return f"{shown}, 95% interval [{r.low:+.{digits}f}, {r.high:+.{digits}f}], n = {r.n}."
