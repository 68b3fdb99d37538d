"""The tokens of a run's texts, by the tokenizer of its model; no weights are read."""

from __future__ import annotations

from backend.errors import ModelNotFound, StoreError
from backend.settings import Settings
from backend.store.run import open_run
from backend.types import Prompt, ReadToken, Response, Study

# For one text, which a page waits for.
_CPU_SECONDS = 10


def tokens_of(settings: Settings, run_id: str, which: str) -> tuple[ReadToken, ...]:
    """The tokens that a run's model reads of a text, with those that the run pools.

    Args:
        settings: where runs and models are.
        run_id: a published run.
        which: ``prompt:N`` (its # on the Prompts page), ``response:SCENARIO``,
            ``response:SCENARIO/TURN``, or ``text:`` and any text, read as a prompt.

    Raises:
        RunNotFound, UnreadableFile: the run cannot be read.
        StoreError: the run has no such text, or was simulated or imported.
        ModelError: its tokenizer is not on this machine, or is another now.
        ExtractionError: the text cannot be encoded.
    """
    # Imported here: only this needs transformers, which takes seconds.
    from backend.extraction.apart import apart
    from backend.extraction.spans import encode_prompt, encode_response
    from backend.extraction.tokens import read_tokens
    from backend.models.load import load_tokenizer, tokenizer_hash_of
    from backend.models.on_disk import model_folder

    with open_run(settings, run_id) as run:
        record, study = run.record, run.study()
    if not record.tokenizer_hash:
        raise StoreError(
            f"No tokenizer made run {run_id}: it is {record.model_source}.",
            expected="a run that a model made.",
            remedy="choose a run of a real model.",
        )
    text = _text_of(study, which)
    folder = model_folder(record.model, settings)
    if folder is None or not folder.exists():
        raise ModelNotFound(
            f"The tokenizer of {record.model} is not on this machine.",
            expected="the model of the run, as it was extracted here.",
            remedy="extract any run with this model here; that fetches it.",
        )
    tokenizer = load_tokenizer(folder, record.model)
    if tokenizer_hash_of(tokenizer, folder) != record.tokenizer_hash:
        raise StoreError(
            f"The tokenizer of {record.model} is another than when run {run_id} was made.",
            expected="the same tokenizer.",
            remedy="extract the run again, or restore the model's files.",
        )

    def read() -> tuple[ReadToken, ...]:
        if isinstance(text, Prompt):
            encoded = encode_prompt(tokenizer, text)
        else:
            encoded = encode_response(tokenizer, text)
        return read_tokens(tokenizer, encoded, record.pooling)

    return apart(read, record.model, lambda: None, cpu_seconds=_CPU_SECONDS)


def _text_of(study: Study, which: str) -> Prompt | Response:
    kind, _, name = which.partition(":")
    if kind == "text":
        return Prompt("", "high", name)
    if kind == "prompt" and name.isdecimal() and int(name) < len(study.prompts):
        return study.prompts[int(name)]
    if kind == "response":
        for response in study.responses:
            if name in (response.scenario, f"{response.scenario}/{response.turn}"):
                return response
    raise StoreError(
        f"The run has no text {which!r}.",
        expected=f"prompt:0 to prompt:{len(study.prompts) - 1}, response:SCENARIO, "
        "response:SCENARIO/TURN, or text: and any text.",
        remedy="name a text like that.",
    )
