"""Errors that tell a user what was wrong, what was expected and what to do.

Every error a user can meet derives from :class:`SteerscopeError`, so that the command line
and the pages can show it as a sentence instead of a traceback; anything else is a bug and
keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


class SteerscopeError(Exception):
    """A fault a user can mend.

    Attributes:
        what: what was found to be wrong, naming the offending value.
        expected: what would have been right.
        remedy: what to do about it.
    """

    def __init__(self, what: str, *, expected: str, remedy: str) -> None:
        self.what = what
        self.expected = expected
        self.remedy = remedy
        super().__init__(f"{what} Expected: {expected} Remedy: {remedy}")


@dataclass(frozen=True)
class Fault:
    """One thing wrong in an imported study.

    Attributes:
        file: name of the file inside the study folder or zip.
        line: line (text files, counted from 1) or data row (parquet), None for a whole file.
        what: what is wrong there.
        remedy: what to do about it.
    """

    file: str
    line: int | None
    what: str
    remedy: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.what} {self.remedy}"


class StudyFaults(SteerscopeError):
    """A study could not be imported; ``faults`` lists everything wrong with it at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        listing = "\n".join(f"  - {fault}" for fault in self.faults)
        count = len(self.faults)
        noun = "fault" if count == 1 else "faults"
        super().__init__(
            f"The study has {count} {noun}:\n{listing}\n",
            expected="prompts and responses in the format of docs/studies.md.",
            remedy="Fix these lines and import again. Nothing was imported.",
        )


class UnknownTables(StudyFaults):
    """Tables were read that are in no format that is known: a mapping can say what they hold."""


class NotAllowed(SteerscopeError):
    """Whoever asks may not do this, or not see it."""


class StudyNotFound(SteerscopeError):
    """No imported study has this name."""


class ModelError(SteerscopeError):
    """A model could not be resolved or loaded."""


class ModelNotFound(ModelError):
    """The reference names no preset, folder, GGUF file or Hub repository."""


class HubUnreachable(ModelError):
    """The Hugging Face Hub did not answer and the model is not in the local cache."""


class GatedModel(ModelError):
    """The Hub refuses the weights until the user has accepted their licence."""


class UnsafeCheckpoint(ModelError):
    """The weights exist only as pickle files, which can run code when opened."""


class UnsupportedArchitecture(ModelError):
    """transformers cannot build this architecture without running remote code."""


class CorruptDownload(ModelError):
    """A downloaded file does not have the pinned sha256."""


class NotEnoughMemory(ModelError):
    """The weights do not fit into the memory that is free on the chosen device."""


class DeviceUnavailable(ModelError):
    """The chosen device does not exist on this machine."""


class MissingChatTemplate(ModelError):
    """The study has conversations but the tokenizer has no chat template."""


class SlowTokenizer(ModelError):
    """The tokenizer cannot report character offsets."""


class ExtractionError(SteerscopeError):
    """Activations could not be extracted from these texts with this model."""


class ClusterError(ExtractionError):
    """A Ray cluster cannot be reached, lacks what is asked for, or has lost its workers."""


class VllmError(ExtractionError):
    """vLLM is not there, cannot do what is asked for, or has ended."""


class LayerOutOfRange(ExtractionError):
    """A wanted layer does not exist in the model."""


class UnknownPooling(ExtractionError):
    """No pooling is called so."""


class TextTooLong(ExtractionError):
    """Texts exceed the positions the model was built for."""


class SpanNotFound(ExtractionError):
    """The wanted tokens of a text cannot be located, or there are none."""


class VectorError(SteerscopeError):
    """A vector cannot be built with these choices."""


class SteeringError(SteerscopeError):
    """A model cannot be steered in this way."""


class PhantomError(SteerscopeError):
    """A phantom that cannot be simulated was asked for."""


class StoreError(SteerscopeError):
    """A study, run or work file is missing, unreadable or of another version."""


class NoRoom(StoreError):
    """The disk is full, or does not let a file be written."""


class SharedAway(StoreError):
    """The shared place cannot be asked now, or is another than it was."""


class ReadOnly(StoreError):
    """Nothing may be started, imported, saved, cancelled or deleted here."""


class RunNotFound(StoreError):
    """No run has this id."""


class UnreadableFile(StoreError):
    """A file in the store is damaged or was written by another version."""


class ExportError(SteerscopeError):
    """A file cannot be made of this, or not put there."""


class ImportFault(SteerscopeError):
    """A file of vectors or activations cannot be used; nothing of it is kept."""


class JobError(SteerscopeError):
    """A job could not be enqueued, cancelled or resumed."""


class EndpointError(SteerscopeError):
    """A model behind an endpoint cannot be asked, or not now."""


class JudgeError(SteerscopeError):
    """Responses cannot be scored in this way."""


@contextmanager
def read_back(what: str) -> Iterator[None]:
    """Around what makes a request of the plain JSON in which it was queued.

    Args:
        what: it asks for, such as ``for tokens``.

    Raises:
        JobError: the JSON is of no such request.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError) as fault:
        raise JobError(
            f"This is no request {what}: {fault!r}.",
            expected="what this version of Steerscope writes.",
            remedy="ask again, and use one version for dashboard and worker.",
        ) from fault
