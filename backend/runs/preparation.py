"""What a run needs before its first batch: a work file with all that earlier runs give, and the
engine, open for the texts that are left."""

from __future__ import annotations

import dataclasses
import datetime
import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from backend.core.metrics.stability import SPLIT_SEED
from backend.core.vectors.methods import Method
from backend.errors import StoreError
from backend.extraction.engine import (
    Batch,
    Engine,
    IdentifiedEngine,
    ModelSource,
    OpenEngine,
    Report,
    SourceRecord,
)
from backend.extraction.tokens import contrast_notices
from backend.runs.derive import DERIVATION
from backend.runs.reuse import Reuse, find_carried, find_reuse
from backend.settings import Settings
from backend.store.connection import discard
from backend.store.run_record import RunRecord
from backend.store.source_run import Carried
from backend.store.work_file import LostSource, Taken, WorkFile
from backend.types import Progress, PromptTokens, Study

logger = logging.getLogger("steerscope.extraction")


@dataclass(frozen=True)
class Plan:
    """What is left to extract.

    Attributes:
        batches: of the texts that no earlier run gives, by their indices in the study.
        source: the engine that pools them; None where nothing is left for it.
        close: gives back what the engine holds; repeatable.
        first: how many of the batches were pooled before the engine was opened for those after them
            alone, whose first is the first of its own.
        carried: derived rows that an earlier run gives, which are not there yet; None for none.
    """

    batches: tuple[Batch, ...]
    source: OpenEngine | None
    close: Callable[[], None] = lambda: None
    first: int = 0
    carried: Carried | None = None

    @property
    def made(self) -> SourceRecord:
        """Where the activations come from.

        Raises:
            RuntimeError: no engine is open.
        """
        if self.source is None:
            raise RuntimeError("no engine is open")
        return self.source.record


class Preparation:
    """The beginning of a run, or its continuation.

    Args:
        settings: where the store is.
        run_id: name of the run.
        study: its study.
        content_hash: the study's.
        engine: where the activations come from.
        methods: which vectors will be built.
        report: called with the progress whenever it changes.
        stack: closes what is opened here.
    """

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        study: Study,
        content_hash: str,
        engine: Engine,
        methods: Sequence[Method],
        report: Report,
        stack: ExitStack,
    ) -> None:
        self._settings = settings
        self._run_id = run_id
        self._study = study
        self._content_hash = content_hash
        self._engine = engine
        self._methods = methods
        self._report = report
        self._stack = stack
        self._lost: set[str] = set()

    def work_file(self, path: Path) -> tuple[WorkFile, Plan]:
        """The work file and what is left to extract. Nothing of the model is opened where earlier
        runs give every text.

        Args:
            path: of the work file; continued if it is there.

        Raises:
            SteerscopeError: model, device, layer or text is unusable; nothing is kept.
        """
        model = None
        if isinstance(self._engine, IdentifiedEngine):
            model = self._engine.source(self._report)
        made = self._opened_again(path, model)
        while made is None:
            made = self._begun(path, model)
        return made

    def _opened_again(self, path: Path, model: ModelSource | None) -> tuple[WorkFile, Plan] | None:
        """The work file that was begun before; None where there is none."""
        if not path.exists():
            return None
        work = WorkFile(path)
        self._stack.callback(work.close)
        if not work.initialised:
            self._stack.close()
            return None
        work.check_format()
        found = work.run.record
        if model is not None and work.is_extracted():
            plan = Plan((), None)
            made = source_record(model, found)
        else:
            plan = self._planned_again(work)
            made = plan.made
        _check_same(found, _run_record(self._run_id, self._study, self._content_hash, made))
        carried = None
        if model is not None and not work.run.methods():
            carried = self._carried(self._reuse(model), found.layers)
        return work, dataclasses.replace(plan, carried=carried)

    def _planned_again(self, work: WorkFile) -> Plan:
        """What was planned, or other batches of what is left of it where texts are put together in
        another way now than by the version that began."""
        planned = work.planned_batches()
        plan = self._open(sorted(text for texts, _ in planned for text in texts))
        if [batch.texts for batch in plan.batches] == [texts for texts, _ in planned]:
            return plan
        plan.close()
        first = len(work.done_batches())
        rest = self._open(sorted(text for texts, _ in planned[first:] for text in texts))
        work.plan_again([(batch.texts, batch.tokens) for batch in rest.batches])
        done = tuple(Batch(texts, tokens) for texts, tokens in planned[:first])
        return dataclasses.replace(rest, batches=(*done, *rest.batches), first=first)

    def _begun(self, path: Path, model: ModelSource | None) -> tuple[WorkFile, Plan] | None:
        """A new work file with what earlier runs give; None where one of them was lost meanwhile,
        and it is to be tried without that."""
        reuse = Reuse(len(self._study.prompts) + len(self._study.responses))
        if model is not None:
            self._report(Progress("looking through earlier runs"))
            reuse = self._reuse(model)
            self._report(Progress(reuse.sentence))
        known = reuse.known(self._study)
        if model is not None and reuse.record is not None and not reuse.left:
            plan = Plan((), None)
            made = source_record(model, reuse.record)
        else:
            plan = self._open([n for n in range(reuse.total) if n not in known])
            made = plan.made
        tokens = self._tokens(reuse, made, plan)
        told = contrast_notices(self._study.prompts, tokens, made.pooling) if tokens else ()
        made = dataclasses.replace(made, notices=(*made.notices, *told))
        for notice in made.notices:
            logger.warning("%s", notice)
        record = dataclasses.replace(
            _run_record(self._run_id, self._study, self._content_hash, made), reused=reuse.counts
        )
        work = WorkFile(path)
        self._stack.callback(work.close)
        batches = [(batch.texts, batch.tokens) for batch in plan.batches]
        taken = Taken(self._settings, reuse.parts)
        try:
            work.initialise(record, self._study, batches, tokens, taken)
        except LostSource as fault:
            self._lost.add(fault.run_id)
            self._stack.close()
            discard(path)
            return None
        carried = self._carried(reuse, record.layers)
        return work, dataclasses.replace(plan, carried=carried)

    def _reuse(self, model: ModelSource) -> Reuse:
        """What earlier runs give, but those that were lost."""
        return find_reuse(self._settings, self._study, model.identity, model.layers, self._lost)

    def _carried(self, reuse: Reuse, layers: tuple[int, ...]) -> Carried | None:
        """What is derived already of what earlier runs give."""
        return find_carried(self._settings, reuse, self._study, layers, self._methods, DERIVATION)

    def _open(self, texts: Sequence[int]) -> Plan:
        """The engine, open for some of the study's texts, and its batches by their indices there.

        Args:
            texts: indices, ascending: prompts first, then responses.
        """
        study = self._study
        first = len(study.prompts)
        some = dataclasses.replace(
            study,
            prompts=tuple(study.prompts[n] for n in texts if n < first),
            responses=tuple(study.responses[n - first] for n in texts if n >= first),
        )
        held = self._stack.enter_context(ExitStack())
        source = held.enter_context(self._engine.opened(some, self._report))
        batches = tuple(
            Batch(tuple(texts[n] for n in batch.texts), batch.tokens) for batch in source.batches
        )
        return Plan(batches, source, held.close)

    def _tokens(self, reuse: Reuse, made: SourceRecord, plan: Plan) -> tuple[PromptTokens, ...]:
        """The tokens of all prompts of the study; empty where the engine has none."""
        if not reuse.parts:
            return made.prompt_tokens
        found = {number: own for part in reuse.parts for number, own in part.tokens.items()}
        known = reuse.known(self._study)
        count = len(self._study.prompts)
        left = [number for number in range(count) if number not in known]
        if plan.source is not None:
            found |= dict(zip(left, made.prompt_tokens, strict=True))
        missing = [number for number in range(count) if number not in found]
        if missing and isinstance(self._engine, IdentifiedEngine):
            own = self._engine.prompt_tokens([self._study.prompts[n] for n in missing])
            found |= dict(zip(missing, own, strict=True))
        return tuple(found[number] for number in range(count))


def source_record(model: ModelSource, before: RunRecord) -> SourceRecord:
    """Where the activations of a run come from that extracts nothing.

    Args:
        model: as it is now.
        before: of the run that gives most of them; its engine, device and libraries made them.
    """
    return SourceRecord(
        model=model.model,
        model_name=model.model_name,
        model_revision=model.model_revision,
        model_source=model.model_source,
        weights_hash=model.identity.weights_hash,
        tokenizer_hash=model.identity.tokenizer_hash,
        chat_template_hash=model.identity.chat_template_hash,
        architecture=before.architecture,
        width=before.width,
        depth=before.depth,
        layers=model.layers,
        pooling=model.identity.pooling,
        batch_tokens=model.batch_tokens or before.batch_tokens,
        device=before.device,
        dtype=model.identity.dtype,
        engine=before.engine,
        versions=before.versions,
        notices=model.notices,
        config_hash=model.identity.config_hash,
    )


def _run_record(run_id: str, study: Study, content_hash: str, source: SourceRecord) -> RunRecord:
    return RunRecord(
        run_id=run_id,
        created_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        study_name=study.name,
        study_hash=content_hash,
        target=study.target,
        seed=SPLIT_SEED,
        **{
            entry.name: getattr(source, entry.name)
            for entry in dataclasses.fields(source)
            if entry.name != "prompt_tokens"
        },
    )


def _check_same(found: RunRecord, wanted: RunRecord) -> None:
    """Refuse to continue a work file with other weights, text or layers."""
    names = (
        "study_hash",
        "weights_hash",
        "tokenizer_hash",
        "chat_template_hash",
        "layers",
        "pooling",
        "dtype",
        "batch_tokens",
    )
    changed = [name for name in names if getattr(found, name) != getattr(wanted, name)]
    if changed:
        raise StoreError(
            f"The unfinished run {found.run_id} was begun with another {', '.join(changed)}.",
            expected="the same study, weights and settings as when it was begun.",
            remedy=f"delete work/{found.run_id}.duckdb in the cache and start the run again.",
        )
