"""A model that a task asks: behind an endpoint that may be named here, or on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.asking.asking import AT_ONCE, ask_all
from backend.asking.endpoint import Endpoint
from backend.asking.local import LocalModel
from backend.asking.question import Answer, Question
from backend.errors import EndpointError, NotAllowed, read_back
from backend.models.model_reference import model_name, refuse_outside, refuse_unusable
from backend.settings import Settings
from backend.types import Progress

_MOST_AT_ONCE = 64


@dataclass(frozen=True)
class Writer:
    """Which model is asked.

    Attributes:
        model: its name at the endpoint; or a preset, Hub id, folder or .gguf file.
        endpoint: base address; empty for a model on this machine.
        at_once: requests in flight, of an endpoint.
    """

    model: str
    endpoint: str = ""
    at_once: int = AT_ONCE

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Writer:
        """The model that a task's values name.

        Raises:
            JobError: they name none.
        """
        with read_back("to a model"):
            return cls(str(values["model"]), str(values["endpoint"]), int(values["at_once"]))

    @property
    def name(self) -> str:
        """Of the model, as a study's provenance has it."""
        return self.model if self.endpoint else model_name(self.model)


def refuse_endpoint(settings: Settings, url: str) -> None:
    """Refuse an endpoint that a page may not have asked.

    The worker asks with the server's key, so where others choose the address, they could have the
    key sent to a server of their own.

    Args:
        settings: which endpoints may be named.
        url: base address.

    Raises:
        NotAllowed: it may not be named here.
    """
    if not settings.may_ask(url):
        listed = ", ".join(settings.endpoints or ()) or "none"
        raise NotAllowed(
            "This endpoint may not be named here.",
            expected=f"an endpoint that whoever runs this Steerscope allows ({listed}).",
            remedy="ask them to add it to STEERSCOPE_ENDPOINTS (docs/trust.md).",
        )


def endpoint_of(settings: Settings, writer: Writer) -> Endpoint:
    """The endpoint of a model, if it may be asked here.

    Args:
        settings: which endpoints may be named.
        writer: has an endpoint.

    Raises:
        NotAllowed: it may not be named here.
        EndpointError: it is none.
    """
    refuse_endpoint(settings, writer.endpoint)
    if not 1 <= writer.at_once <= _MOST_AT_ONCE:
        raise EndpointError(
            f"{writer.at_once} requests cannot be in flight.",
            expected=f"1 to {_MOST_AT_ONCE}.",
            remedy="choose another number.",
        )
    return Endpoint(writer.endpoint.strip(), writer.model.strip())


def check_writer(settings: Settings, writer: Writer) -> None:
    """Refuse a model that cannot or may not be asked; nothing is sent or loaded.

    Args:
        settings: which endpoints and folders may be named.
        writer: the model.

    Raises:
        NotAllowed: its endpoint or folder may not be named here.
        EndpointError, ModelError: it names none.
    """
    if writer.endpoint.strip():
        endpoint_of(settings, writer)
    else:
        refuse_unusable(writer.model)
        refuse_outside(writer.model, settings)


def asker(
    settings: Settings, writer: Writer, report: Callable[[Progress], None]
) -> Callable[[Sequence[Question]], Mapping[str, Answer]]:
    """What asks the model, and keeps every answer.

    Args:
        settings: where answers are kept, and which endpoints and folders may be named.
        writer: the model; one on this machine is loaded at the first question without an answer.
        report: told of the progress; what it raises stops the asking.

    Raises:
        NotAllowed, EndpointError, ModelError: see :func:`check_writer`.
    """
    check_writer(settings, writer)
    if not writer.endpoint.strip():
        local = LocalModel(settings, writer.model)
        return lambda questions: local.ask(questions, report)
    endpoint = endpoint_of(settings, writer)
    return lambda questions: ask_all(settings, endpoint, questions, report, at_once=writer.at_once)
