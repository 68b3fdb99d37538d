"""What every engine that runs a model keeps to, whichever process or machine does the work."""

from __future__ import annotations

import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from backend.errors import ExtractionError, LayerOutOfRange
from backend.extraction.engine import LOCAL, RAY, Batch, forward_pass
from backend.extraction.local_engine import LocalEngine
from backend.extraction.spans import encode_prompt, encode_response
from backend.runs.engines import ENGINES
from backend.settings import Settings
from backend.types import ExtractionRequest, Message
from tests.extraction.contract import CONTRACT, WITHOUT_MODEL
from tests.support.hidden_states import hidden_states, reference, relative_error
from tests.support.studies import chat_study, small_study
from tests.support.tiny_models import DEPTH

LAYERS = tuple(range(DEPTH + 1))
TOLERANCE = 1e-5


def in_one_chat(study):
    """The same study, in which the last turn's chat holds the first turn."""
    made = list(study.responses)
    for place in range(1, len(made), 2):
        first, last = made[place - 1], made[place]
        chat = (*first.messages, Message("assistant", first.text), *last.messages)
        made[place] = dataclasses.replace(last, messages=chat)
    return dataclasses.replace(study, responses=tuple(made))


STUDY = in_one_chat(small_study(scenarios=5))
TEXTS = len(STUDY.prompts) + len(STUDY.responses)
# First turns, which are read with the last.
READ_ONCE = 5
# Batches of a few texts, so that there are several.
FEW = 160


# An engine that starts processes takes seconds for each test.
@pytest.fixture(
    scope="module",
    params=[
        pytest.param(one, marks=() if one.name == LOCAL else pytest.mark.long) for one in CONTRACT
    ],
    ids=lambda tested: tested.name,
)
def tested(request):
    with request.param.place() as place:
        yield request.param.name, place


@pytest.fixture(scope="module")
def model_folder(tested, tiny_llama, wide_llama):
    return wide_llama if tested[1].wide else tiny_llama


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    made = Settings(cache=tmp_path_factory.mktemp("contract") / "cache")
    made.make_folders()
    return made


def wanted(model, **values):
    return ExtractionRequest("small@0", str(model), LAYERS, **({"batch_tokens": FEW} | values))


def engine_of(tested, store, request):
    kind = next(kind for kind in ENGINES if kind.name == tested[0])
    settings = dataclasses.replace(store, ray_address=tested[1].ray_address)
    return kind.make(settings, dataclasses.replace(request, engine=tested[0]))


def silent(_):
    pass


def all_of(opened, batches=None):
    """Activations [texts, layers, d], counts [texts], norms and shares [texts, layers]."""
    rows = {}
    for batch in opened.batches if batches is None else batches:
        pooled = opened.pool(batch)
        assert pooled.activations.dtype == np.float32
        assert len(pooled.counts) == len(batch.texts) == pooled.activations.shape[1]
        for place, text in enumerate(batch.texts):
            assert text not in rows
            rows[text] = (
                pooled.activations[:, place],
                pooled.counts[place],
                pooled.first.norms[:, place],
                pooled.first.shares[:, place],
            )
    assert sorted(rows) == list(range(TEXTS))
    ordered = [rows[text] for text in range(TEXTS)]
    return tuple(np.stack([row[part] for row in ordered]) for part in range(4))


def local_result(store, request):
    with LocalEngine(store, request).opened(STUDY, silent) as opened:
        return opened.batches, all_of(opened)


def same_bits(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def encoded(model_folder):
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    prompts = [encode_prompt(tokenizer, prompt) for prompt in STUDY.prompts]
    return [*prompts, *(encode_response(tokenizer, response) for response in STUDY.responses)]


@pytest.fixture(scope="module")
def by_hand(model_folder, encoded):
    """Mean of the wanted tokens by ``output_hidden_states`` in float64, [texts, layers, d]."""
    double = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float64).eval()
    pooled = reference(double, encoded, LAYERS, "mean").swapaxes(0, 1)
    return pooled, hidden_states(double, encoded, LAYERS)


def test_every_engine_with_a_model_is_under_contract():
    listed = {tested.name for tested in CONTRACT}
    assert listed == {kind.name for kind in ENGINES} - set(WITHOUT_MODEL)


@pytest.fixture(scope="module")
def whole(tested, store, model_folder, encoded):
    """What one opening gives, asked in several orders. Opening takes seconds on other machines."""
    engine = engine_of(tested, store, wanted(model_folder))
    source = engine.source(silent)
    with engine.opened(STUDY, silent) as opened:
        lengths = [len(text.ids) for text in encoded]
        single = [Batch((text,), length) for text, length in enumerate(lengths)]
        middle = len(opened.batches) // 2
        return SimpleNamespace(
            source=source,
            tokens=engine.prompt_tokens(STUDY.prompts),
            record=opened.record,
            batches=opened.batches,
            forward=all_of(opened),
            backward=all_of(opened, opened.batches[::-1]),
            twice=[opened.pool(opened.batches[middle]).activations for _ in range(2)],
            alone=all_of(opened, single)[0] if tested[1].any_batch else None,
        )


def test_exact_in_order_and_counted(tested, whole, encoded, by_hand):
    assert len(whole.batches) >= 4
    read_once = 0
    for batch in whole.batches:
        assert list(batch.texts) == sorted(batch.texts)
        ids = [encoded[text].ids for text in batch.texts]
        begun = [any(one != other and other[: len(one)] == one for other in ids) for one in ids]
        assert batch.tokens == sum(len(one) for one, of in zip(ids, begun, strict=True) if not of)
        read_once += sum(begun)
    assert read_once == READ_ONCE
    expected, states = by_hand
    activations, counts, norms, shares = whole.forward
    assert relative_error(activations, expected) < TOLERANCE
    assert counts.tolist() == [sum(text.wanted) for text in encoded]
    first = np.stack([text[:, 0] for text in states])
    np.testing.assert_allclose(norms, np.linalg.norm(first, axis=2), rtol=1e-4)
    weights = np.array([text.wanted[0] / sum(text.wanted) for text in encoded])[:, None]
    direct = weights * (first * expected).sum(2) / (expected**2).sum(2)
    np.testing.assert_allclose(shares, direct, atol=1e-4)
    record = whole.record
    assert record.engine == tested[0]
    assert (record.layers, record.dtype, record.depth) == (LAYERS, "float32", DEPTH)


def test_the_same_batches_and_bits_as_this_process_in_any_order(tested, whole, store, model_folder):
    """Of a forward pass of its own, the same up to rounding: test_exact_in_order_and_counted."""
    batches, expected = local_result(store, wanted(model_folder))
    assert whole.batches == batches
    assert same_bits(whole.forward, whole.backward)
    assert same_bits(whole.forward, expected) == (forward_pass(tested[0]) == LOCAL)
    assert np.array_equal(*whole.twice)


def test_what_earlier_runs_hold_is_found_by_the_same_identity(tested, whole, store, model_folder):
    here = LocalEngine(store, wanted(model_folder)).source(silent)
    identity = dataclasses.replace(here.identity, engine=forward_pass(tested[0]))
    assert whole.source == dataclasses.replace(here, identity=identity)
    assert (identity == here.identity) == (tested[0] in (LOCAL, RAY))
    assert len(whole.tokens) == len(STUDY.prompts)
    assert whole.tokens == whole.record.prompt_tokens


def test_padding_changes_nothing(tested, whole, store, model_folder):
    alone = whole.alone
    if alone is None:
        request = wanted(model_folder, batch_tokens=1, workers=1)
        with engine_of(tested, store, request).opened(STUDY, silent) as opened:
            assert len(opened.batches) == TEXTS - READ_ONCE
            alone = all_of(opened)[0]
    assert relative_error(whole.forward[0], alone) < TOLERANCE


def test_what_is_not_finite_is_named(tested, store, model_folder, tmp_path):
    folder = tmp_path / "loud"
    shutil.copytree(model_folder, folder)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(4e5)
    model.save_pretrained(folder)
    request = wanted(folder, dtype="float16", workers=1)
    with (
        engine_of(tested, store, request).opened(STUDY, silent) as opened,
        pytest.raises(ExtractionError, match="not finite in float16") as fault,
    ):
        all_of(opened)
    assert "at layer 0" in fault.value.what and "65,504" in fault.value.remedy
    assert "prompt '" in fault.value.what or "response s" in fault.value.what


def test_a_layer_that_is_not_there_is_refused_before_the_first_batch(tested, store, model_folder):
    request = ExtractionRequest("small@0", str(model_folder), (1, DEPTH + 1))
    with (
        pytest.raises(LayerOutOfRange, match=f"{DEPTH} decoder blocks"),
        engine_of(tested, store, request).opened(STUDY, silent),
    ):
        raise AssertionError("opened")


class Cancelled(Exception):
    """What a worker's report raises when its job is cancelled."""


def cancelling(progress):
    if progress.stage == "tokenising":
        raise Cancelled


def test_a_cancel_ends_the_opening_and_leaves_nothing(tested, store, model_folder):
    engine = engine_of(tested, store, wanted(model_folder))
    with pytest.raises(Cancelled), engine.opened(chat_study(), cancelling):
        raise AssertionError("opened")
    assert tested[1].left() == 0


def test_a_process_that_dies_in_the_middle_loses_nothing(tested, whole, store, model_folder):
    """Of an engine in this process, the job goes on in another, which opens the same batches; that
    they give the same is tested above."""
    kill = tested[1].kill
    engine = engine_of(tested, store, wanted(model_folder))
    with pytest.raises(Cancelled), engine.opened(STUDY, silent) as opened:
        assert opened.batches == whole.batches
        opened.pool(opened.batches[0])
        if kill is not None:
            kill(opened)
            if not tested[1].others:
                with pytest.raises(ExtractionError, match="SIGKILL") as fault:
                    opened.pool(opened.batches[1])
                assert "the run can be continued" in fault.value.remedy
                raise Cancelled
            assert same_bits(all_of(opened), whole.forward)
            # Further batches are on their way when it is left.
            opened.pool(opened.batches[0])
        raise Cancelled
    assert tested[1].left() == 0
