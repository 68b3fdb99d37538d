"""Which engine makes the activations of a request.

A new engine is one file in backend/extraction and one line in ``ENGINES``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backend.core.vectors.methods import METHODS, Method
from backend.errors import ExtractionError
from backend.extraction.engine import LOCAL, RAY, VLLM, Engine
from backend.extraction.local_engine import LocalEngine
from backend.extraction.ray_engine import RayEngine
from backend.extraction.simulated import SimulatedEngine
from backend.extraction.vllm_engine import VllmEngine
from backend.phantom.published.phantom import PublishedPhantom
from backend.runs.layer_task import OpenDeriver
from backend.runs.ray_layers import layers_on_ray
from backend.settings import Settings
from backend.types import ExtractionRequest

# Engines that a user chooses from; of a simulated model there is nothing to choose.
CHOICES = (LOCAL, RAY, VLLM)
# A model reference of this form names a model of the bundled phantom; nothing is loaded for it.
SIMULATED_PREFIX = "simulated:"


@dataclass(frozen=True)
class EngineKind:
    """A registered engine.

    Attributes:
        name: as in a run's provenance.
        takes: whether it makes the activations of a request; the first kind that does is used.
        make: the engine for a request.
        costly_methods: whether its runs hold the vectors of costly methods too.
        deriver: for a request, what opens who derives its layers; None for this machine.
    """

    name: str
    takes: Callable[[ExtractionRequest], bool]
    make: Callable[[Settings, ExtractionRequest], Engine]
    costly_methods: bool = True
    deriver: Callable[[Settings, ExtractionRequest], OpenDeriver | None] = lambda *_: None

    @property
    def methods(self) -> tuple[Method, ...]:
        """The registered methods whose vectors its runs hold."""
        return tuple(method for method in METHODS if self.costly_methods or not method.costly)


def _simulated(_: Settings, request: ExtractionRequest) -> Engine:
    phantom = PublishedPhantom()
    return SimulatedEngine(
        phantom, phantom.models.index(request.model.removeprefix(SIMULATED_PREFIX))
    )


ENGINES: list[EngineKind] = [
    EngineKind(
        "phantom",
        lambda request: request.model.startswith(SIMULATED_PREFIX),
        _simulated,
        # No planted cause needs what takes nine tenths of the time of deriving.
        costly_methods=False,
    ),
    EngineKind(RAY, lambda request: request.engine == RAY, RayEngine, deriver=layers_on_ray),
    EngineKind(VLLM, lambda request: request.engine == VLLM, VllmEngine),
    EngineKind(LOCAL, lambda request: request.engine == LOCAL, LocalEngine),
]


def has_workers(engine: str) -> bool:
    """Whether an engine of ``CHOICES`` can be told how many workers to start."""
    return engine == RAY


def splits_models(engine: str) -> bool:
    """Whether an engine of ``CHOICES`` can split a model over several devices."""
    return engine == VLLM


def derivers(settings: Settings, engine: str) -> tuple[str, ...]:
    """Engines by which a user may have a run derived: Ray only where there may be a cluster.

    Args:
        settings: which cluster is used.
        engine: that extracted the run.
    """
    return (LOCAL, RAY) if settings.ray_address or engine == RAY else (LOCAL,)


def engine_of(request: ExtractionRequest) -> EngineKind:
    """The engine that makes the activations of a request.

    Raises:
        ExtractionError: the request names none.
    """
    found = next((kind for kind in ENGINES if kind.takes(request)), None)
    if found is None:
        raise ExtractionError(
            f"There is no engine {request.engine!r}.",
            expected=f"one of {', '.join(CHOICES)}.",
            remedy="change --engine.",
        )
    return found


def methods_of_engine(name: str) -> Sequence[Method]:
    """Which vectors a run of an engine holds; all registered ones for an unknown engine.

    Args:
        name: as in a run's provenance.
    """
    known = next((kind for kind in ENGINES if kind.name == name), None)
    return METHODS if known is None else known.methods
