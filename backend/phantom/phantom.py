"""What a phantom offers to whoever publishes it."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod

import numpy as np

from backend.phantom.geometry import LayerActivations
from backend.types import Study


def digest(choices: object) -> str:
    """Twelve hex digits that follow from plain values.

    Args:
        choices: what JSON can hold.
    """
    return hashlib.sha256(json.dumps(choices, sort_keys=True).encode()).hexdigest()[:12]


class Phantom(ABC):
    """A simulated study and its models.

    Attributes:
        name: name of the study.
        seed: of everything random.
        models: names of the models.
        layers: numbers of the layers, ascending.
        width: coordinates of an activation.
    """

    name: str
    seed: int
    models: tuple[str, ...]
    layers: tuple[int, ...]
    width: int

    @property
    @abstractmethod
    def study(self) -> Study:
        """Prompts, responses and scores."""

    @property
    @abstractmethod
    def lengths(self) -> np.ndarray:
        """Words of each response, [cases, turns]."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Twelve hex digits of all that its activations follow from, the seed included."""

    @abstractmethod
    def planted(self, model: int, trait: int) -> tuple[str, ...]:
        """Causes planted in a cell; ``("none",)`` if nothing is."""

    @abstractmethod
    def activations(self, model: int, layer: int) -> LayerActivations:
        """All activations of one model at one layer, the same at every call."""
