"""Which dose-responses are asked for, as plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.asking.endpoint import Endpoint
from backend.core.dose import LEAST_DIRECTIONS
from backend.errors import SteeringError, read_back
from backend.judging.rubric import check_traits, rubric_of_study
from backend.settings import Settings
from backend.steering.interventions import Mode, Where
from backend.steering.units import Unit
from backend.steering.vectors import VectorSource, find_vector
from backend.store.run import open_run
from backend.types import Study


@dataclass(frozen=True)
class DosePlan:
    """What is to be measured.

    Attributes:
        source: the vector, at one layer.
        strengths: in ``unit``; 0 is added where it is missing.
        unit: poles, norm or vector.
        mode: add or norm-add.
        where: which tokens are steered.
        questions: most chats that are answered.
        directions: random directions of the same length.
        tokens: longest answer.
        temperature: of the answers.
        seed: of the answers and of the random directions.
    """

    source: VectorSource
    strengths: tuple[float, ...] = (-2.0, -1.0, 1.0, 2.0)
    unit: Unit = "poles"
    mode: Mode = "add"
    where: Where = "both"
    questions: int = 8
    directions: int = LEAST_DIRECTIONS
    tokens: int = 24
    temperature: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {
            "questions": (self.questions, 2, 500),
            "random directions": (self.directions, 0, 50),
            "tokens of an answer": (self.tokens, 1, 1000),
            "strengths other than 0": (len(set(self.strengths) - {0.0}), 1, 40),
        }
        for what, (number, least, most) in limits.items():
            if not least <= number <= most:
                raise SteeringError(
                    f"{number} {what} cannot be measured.",
                    expected=f"{least} to {most}.",
                    remedy="choose a number within that range.",
                )
        if self.mode not in ("add", "norm-add"):
            raise SteeringError(
                f"The mode {self.mode!r} has no strengths to compare.",
                expected="add or norm-add.",
                remedy="choose one of these.",
            )
        if not np.isfinite([*self.strengths, self.temperature]).all() or self.temperature < 0:
            raise SteeringError(
                "A strength or the temperature is no number that can be used.",
                expected="finite strengths and a temperature of 0 or more.",
                remedy="correct it.",
            )

    @property
    def ascending(self) -> tuple[float, ...]:
        """All strengths, with 0."""
        return tuple(sorted({*self.strengths, 0.0}))


@dataclass(frozen=True)
class DoseRequest:
    """Dose-responses of one vector at some layers.

    Attributes:
        plan: what is measured at each layer; the layer of its source does not count.
        layers: where; empty for the layer of the source.
        device: as for an extraction.
        judge_url: base address of an endpoint that scores the answers; empty for none.
        judge_model: name of the model there.
    """

    plan: DosePlan
    layers: tuple[int, ...] = ()
    device: str = "auto"
    judge_url: str = ""
    judge_model: str = ""

    @property
    def judge(self) -> Endpoint | None:
        """Who scores; None for nobody.

        Raises:
            EndpointError: it cannot be asked.
        """
        return Endpoint(self.judge_url, self.judge_model) if self.judge_url else None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        values = dataclasses.asdict(self)
        values["plan"]["strengths"] = list(self.plan.strengths)
        values["layers"] = list(self.layers)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DoseRequest:
        """Read back what :meth:`to_json` wrote.

        Raises:
            JobError: it is of another form.
            SteeringError: it cannot be measured.
        """
        with read_back("for a dose-response"):
            plan = dict(values["plan"])
            return cls(
                **dict(values)
                | {
                    "plan": DosePlan(
                        **plan
                        | {
                            "source": VectorSource(**plan["source"]),
                            "strengths": tuple(float(one) for one in plan["strengths"]),
                        }
                    ),
                    "layers": tuple(int(layer) for layer in values["layers"]),
                }
            )


def check_dose(settings: Settings, request: DoseRequest) -> None:
    """Refuse a request that cannot be measured, before a model is loaded.

    Args:
        settings: where the store is.
        request: what is asked.

    Raises:
        SteeringError: it names no vector, run or model, or its unit is undefined for the vector.
        JudgeError, EndpointError: its answers cannot be scored.
        RunNotFound, StoreError, UnreadableFile: the run or vector cannot be read.
    """
    if request.plan.source.model:
        raise SteeringError(
            "A dose-response is kept with its run, and another model was named.",
            expected="the model of the run.",
            remedy="extract the study with that model, and measure that run.",
        )
    for layer in request.layers or (request.plan.source.layer,):
        source = dataclasses.replace(request.plan.source, layer=layer)
        found = find_vector(settings, source)
        found.units.multiples(1.0, request.plan.unit)
    study = study_of(settings, request.plan.source)
    if request.judge is not None:
        if study is None:
            raise SteeringError(
                "Nothing describes the trait to a judge.",
                expected="a run, whose study describes its traits.",
                remedy="name the run, or measure without a judge.",
            )
        check_traits(rubric_of_study(study), [request.plan.source.trait])


def study_of(settings: Settings, source: VectorSource) -> Study | None:
    """The study of the run that a vector is of, or is tried on; None without a run.

    Args:
        settings: where the store is.
        source: which vector.
    """
    if not source.run_id:
        return None
    with open_run(settings, source.run_id) as run:
        return run.study()
