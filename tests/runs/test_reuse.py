"""Nothing is reused in silence that another request, plan or version made."""

from __future__ import annotations

import dataclasses

import pytest

from backend.errors import StoreError
from backend.phantom.drawn import DrawnPhantom
from backend.phantom.plan import plan_of
from backend.phantom.published.phantom import PublishedPhantom
from backend.runs import derive
from backend.runs.session import session_of
from backend.store.run import open_run
from backend.store.study import publish_study
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest
from tests.support.studies import small_study

SIZES = {"models": 1, "traits": 2, "layers": 2, "scenarios": 20, "prompts": 4, "width": 64}


@pytest.fixture
def request_(settings, tiny_llama):
    study = small_study(scenarios=6)
    ref = publish_study(settings, study, content_hash(study))
    return ExtractionRequest(ref.key, str(tiny_llama), (1, 2))


def run(settings, request):
    return session_of(settings, "run", request, lambda _: None).run()


@pytest.mark.parametrize(
    ("name", "value"),
    [("layers", (1,)), ("pooling", "last"), ("dtype", "bfloat16"), ("batch_tokens", 77)],
)
def test_a_finished_run_does_not_answer_another_request(settings, request_, name, value):
    path = run(settings, request_)
    assert run(settings, request_) == path
    with pytest.raises(StoreError, match=f"finished run run with another {name}"):
        run(settings, dataclasses.replace(request_, **{name: value}))


def test_a_finished_run_does_not_answer_for_another_model(settings, request_, tiny_folders):
    run(settings, request_)
    other = dataclasses.replace(request_, model=str(tiny_folders["qwen2"]))
    with pytest.raises(StoreError, match="another model"):
        run(settings, other)


def test_what_another_version_derived_is_derived_anew(settings, request_, monkeypatch):
    session = session_of(settings, "run", request_, lambda _: None)
    while session.extract_some(0.0):
        pass
    monkeypatch.setattr(derive, "DERIVATION", derive.DERIVATION + 1)
    assert session.derive_some()
    session.close()
    monkeypatch.undo()
    layers = []
    again = session_of(settings, "run", request_, lambda _: None)
    monkeypatch.setattr(
        "backend.runs.steps.derive_layers",
        lambda work, study, left, methods, seconds, begin, *who: derive.derive_layers(
            work,
            study,
            left,
            methods,
            seconds,
            lambda layer: layers.append(layer) or begin(layer),
            *who,
        ),
    )
    again.run()
    assert layers == [1, 2]
    with open_run(settings, "run") as found:
        assert found.derivation == derive.DERIVATION


@pytest.mark.parametrize(("name", "value"), [("strength", 2.0), ("width", 128), ("seed", 4)])
def test_every_choice_of_a_phantom_is_in_the_names_of_its_runs(name, value):
    plan = plan_of("p", 3, ["unit_scale"], **SIZES)
    other = dataclasses.replace(plan, **{name: value})
    assert DrawnPhantom(plan).identity == DrawnPhantom(dataclasses.replace(plan)).identity
    assert DrawnPhantom(plan).identity != DrawnPhantom(other).identity


def test_the_published_phantom_is_named_by_its_seed_too():
    assert PublishedPhantom().identity == PublishedPhantom().identity
    assert PublishedPhantom().identity != PublishedPhantom(seed=1).identity
