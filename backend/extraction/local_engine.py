"""The engine of this process: loads a model only when texts are to be pooled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from backend.extraction.engine import (
    TOKENISING,
    Identity,
    ModelSource,
    OpenEngine,
    Report,
    forward_pass,
)
from backend.models.identity import ModelIdentity, dtype_name, identify
from backend.models.memory import free_unused
from backend.models.model_reference import model_name
from backend.models.notices import model_notices
from backend.models.resolve import FoundModel, ResolvedModel, checked, find_model
from backend.settings import Settings
from backend.types import ExtractionRequest, Progress, Prompt, PromptTokens, Study


class LocalEngine:
    """This process, with its GPU or CPU; see :class:`backend.extraction.engine.IdentifiedEngine`.

    Args:
        settings: where models are kept.
        request: which model, layers, pooling, device and number type.
    """

    def __init__(self, settings: Settings, request: ExtractionRequest) -> None:
        self._settings = settings
        self._request = request
        self._found: FoundModel | None = None
        self._report: Report = lambda _: None

    def source(self, report: Report) -> ModelSource | None:
        """The model before it is loaded; None where loading it will fail, or all is to be extracted
        anew."""
        request = self._request
        self._report = report
        if request.fresh:
            return None
        found, model = identify(request.model, self._settings, _told(report))
        self._found = found
        if model is None:
            return None
        return ModelSource(
            identity=identity_of(request, model),
            layers=request.layers,
            batch_tokens=request.batch_tokens,
            model=request.model,
            model_name=model_name(request.model),
            model_revision=found.revision or "",
            model_source=found.source,
            notices=model_notices(request.model, found.folder),
        )

    def prompt_tokens(self, prompts: Sequence[Prompt]) -> tuple[PromptTokens, ...]:
        """The tokens of prompts, by the tokenizer alone."""
        # Imported here: these need transformers and torch, which take seconds.
        from backend.extraction.apart import apart
        from backend.extraction.spans import encode_all
        from backend.extraction.tokens import prompt_tokens
        from backend.models.load import load_tokenizer

        found = self._find(lambda _: None)
        tokenizer = load_tokenizer(found.folder, self._request.model)
        encode = partial(encode_all, tokenizer, prompts, ())
        encoded = apart(encode, self._request.model, partial(self._report, TOKENISING))
        return prompt_tokens(tokenizer, encoded, self._request.pooling)

    @contextmanager
    def opened(self, study: Study, report: Report) -> Iterator[OpenEngine]:
        """The model, loaded and hooked; see :class:`backend.extraction.engine.Engine`."""
        # Imported here: as above.
        from backend.extraction.local import open_model
        from backend.models.load import load

        resolved, _ = self.resolved(report)
        report(Progress("loading the model"))
        loaded = load(
            resolved,
            device=self._request.device,
            dtype=self._request.dtype,
            need_chat_template=study.has_chats,
        )
        spread = loaded.runs_on != loaded.device
        try:
            with open_model(loaded, study, self._request, report) as opened:
                yield opened
        finally:
            del loaded
            if spread:  # it refers to itself
                free_unused()

    def resolved(self, report: Report) -> tuple[ResolvedModel, FoundModel]:
        """The model's files, after seeing that they can be loaded.

        Args:
            report: told what is being done.

        Raises:
            ModelError: they cannot be found or loaded.
        """
        found = self._find(report)
        return checked(self._request.model, found, self._settings, _told(report)), found

    def _find(self, report: Report) -> FoundModel:
        if self._found is None:
            self._found = find_model(self._request.model, self._settings, _told(report))
        return self._found


def identity_of(request: ExtractionRequest, model: ModelIdentity) -> Identity:
    """What the activations of a request depend on besides the texts.

    Args:
        request: engine, pooling, device and number type.
        model: its model.
    """
    return Identity(
        engine=forward_pass(request.engine),
        weights_hash=model.weights_hash,
        tokenizer_hash=model.tokenizer_hash,
        chat_template_hash=model.chat_template_hash,
        config_hash=model.config_hash,
        pooling=request.pooling,
        dtype=dtype_name(request.dtype, request.device),
    )


def _told(report: Report) -> Callable[[str, float | None], None]:
    """Progress of finding a model as progress of the job."""

    def stage(text: str, fraction: float | None) -> None:
        share = "" if fraction is None else f" ({fraction:.0%})"
        report(Progress(f"{text}{share}"))

    return stage
