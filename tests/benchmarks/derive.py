"""Deriving a study of the published size: seconds a layer, by stage.

Eight traits, 20 + 20 prompts, 500 scenarios at two turns and a random model of width 4096 whose
blocks are cheap, so that forward passes hardly count. The probes are compared with scikit-learn
fitting fold by fold in the same run; ``--against REVISION`` derives with another revision of this
repository too, on the same machine. Run with ``make bench-derive``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from transformers import LlamaConfig, LlamaForCausalLM

from backend.core.vectors import fitting
from backend.core.vectors.folds import grouped_folds
from backend.core.vectors.probes import INNER, OUTER, SEED, STRENGTHS, Labels
from backend.runs import derive
from backend.runs.engines import engine_of
from backend.runs.session import ExtractionSession
from backend.settings import Settings
from backend.store.study import publish_study
from backend.store.work_file import WorkFile
from backend.studies.hashing import content_hash
from backend.types import ExtractionRequest, Message, Prompt, Response, Study
from tests.benchmarks.memory import peak_of_this_process
from tests.support.studies import WORDS
from tests.support.tiny_models import tiny_tokenizer

REPOSITORY = Path(__file__).resolve().parents[2]
# As many layers as a run has by default and as the study had.
WIDTH, LAYERS = 4096, tuple(range(1, 13))
TRAITS, PROMPTS, SCENARIOS = 8, 20, 500
# Stage -> functions whose time it is; those of one stage may run side by side.
HERE = "a layer in this process"
STAGES: dict[str, list[tuple[object, str]]] = {
    "reading and inner products": [(derive, "read_layer")],
    "logistic probes": [(fitting, "logistic_probes")],
    "ridge probes": [(fitting, "ridge_probes")],
    "metrics": [(derive, "_store_geometry")],
    "controls": [(derive, "_store_controls")],
    "r, rho and bootstrap": [(derive, "_store_methods")],
    "writing": [(WorkFile, "replace")],
    HERE: [(derive, "layer_tables")],
}


def published_size() -> Study:
    """A study of the published size, whose scores show in the words of the responses."""
    rng = np.random.default_rng(0)
    traits = {f"trait {i}": "" for i in range(TRAITS)}

    def text(count: int, wanted: Sequence[str] = ()) -> str:
        words = [*rng.choice(WORDS, size=count), *wanted]
        return " ".join(rng.permutation(words))

    def response(scenario: int, turn: str) -> Response:
        scores = rng.integers(0, 11, size=TRAITS)
        wanted = [
            word for word, score in zip(WORDS, scores, strict=False) for _ in range(score // 3)
        ]
        return Response(
            scenario=f"s{scenario:03d}",
            text=text(12, wanted),
            turn=turn,
            responder="author",
            messages=(Message("user", text(4)),),
            scores={trait: float(score) for trait, score in zip(traits, scores, strict=True)},
        )

    return Study(
        name="published-size",
        title="A study of the published size",
        description="",
        licence="MIT",
        provenance="Random words, for a benchmark.",
        score_range=(0.0, 10.0),
        traits=traits,
        prompts=tuple(
            Prompt(trait, pole, f"{i} {text(10, [WORDS[number]] * (6 if pole == 'high' else 0))}")
            for number, trait in enumerate(traits)
            for pole in ("high", "low")
            for i in range(PROMPTS)
        ),
        responses=tuple(response(i, turn) for i in range(SCENARIOS) for turn in ("t1", "tN")),
    )


def save_wide_model(folder: Path) -> Path:
    """A random Llama of width 4096 with narrow blocks."""
    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=max(LAYERS),
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=512,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def extracted(
    settings: Settings, study: Study, layers: tuple[int, ...] = LAYERS
) -> ExtractionSession:
    """A session of which all activations are there and nothing is derived."""
    model = save_wide_model(settings.cache / "wide")
    ref = publish_study(settings, study, content_hash(study))
    request = ExtractionRequest(study=ref.key, model=str(model), layers=layers)
    kind = engine_of(request)
    session = ExtractionSession(
        settings, "wide", ref.key, kind.make(settings, request), lambda _: None, kind.methods
    )
    while session.extract_some(60.0):
        pass
    return session


@contextmanager
def timed() -> Iterator[tuple[dict[str, float], dict[str, int]]]:
    """Seconds by stage, summed over the threads of this process, and how often each was begun."""
    seconds: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)

    def measured(stage: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **named: object) -> object:
            started = time.perf_counter()
            try:
                return function(*args, **named)
            finally:
                seconds[stage] += time.perf_counter() - started
                counts[stage] += 1

        return call

    # Another revision may have other functions.
    there = [
        (stage, owner, name, getattr(owner, name))
        for stage, own in STAGES.items()
        for owner, name in own
        if hasattr(owner, name)
    ]
    for stage, owner, name, function in there:
        setattr(owner, name, measured(stage, function))
    try:
        yield seconds, counts
    finally:
        for _, owner, name, function in there:
            setattr(owner, name, function)


def seconds_a_layer() -> tuple[float, float, dict[str, float]]:
    """Seconds a layer, of what needs all of them, and of each stage a layer."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(cache=Path(folder))
        settings.make_folders()
        session = extracted(settings, published_size())
        steps = []
        with timed() as (stages, counts):
            remain = True
            while remain:
                started = time.perf_counter()
                remain = session.derive_some()
                steps.append(time.perf_counter() - started)
        session.close()
    *layers, over = steps
    # Another revision may derive all of them here.
    here = counts.get(HERE, len(LAYERS))
    shares = {stage: len(LAYERS) if stage == "writing" else here for stage in stages}
    a_layer = {stage: total / shares[stage] for stage, total in stages.items()}
    return sum(layers) / len(LAYERS), over, a_layer


def probe_against_sklearn() -> float:
    """How many times as long scikit-learn takes for one probe, fold by fold."""
    # Another revision, of which layers alone are timed, may have it under another name.
    from backend.core.vectors.probes import logistic_probes

    rng = np.random.default_rng(1)
    count, width, labels = 2 * SCENARIOS, 256, Labels(5, 3)
    scores = rng.integers(0, 11, size=count).astype(np.float64)
    features = rng.normal(size=(count, width)) * np.arange(1, width + 1) ** -0.5
    features += 0.2 * (scores - 5)[:, None] * rng.normal(size=width) / np.sqrt(width)
    groups = np.repeat(np.arange(SCENARIOS), 2)
    started = time.perf_counter()
    (ours,) = logistic_probes(features, [scores], groups, labels)
    own = time.perf_counter() - started
    scaled = features / np.sqrt(np.square(features).sum(axis=1).mean())
    high, low = labels.of(scores)

    def fit(train: np.ndarray, strength: float) -> LogisticRegression:
        rows = train & (high | low)
        model = LogisticRegression(
            C=strength, class_weight="balanced", tol=1e-9, solver="newton-cholesky"
        )
        return model.fit(scaled[rows], high[rows])

    def loss(model: LogisticRegression, test: np.ndarray) -> float:
        margins = model.decision_function(scaled)
        losses = np.logaddexp(0.0, np.where(high, -margins, margins))
        return sum(losses[test & side].mean() for side in (high, low)) / 2

    started = time.perf_counter()
    held_out = np.zeros(count)
    outer = grouped_folds(groups, OUTER, SEED)
    for number, test in enumerate([*outer, np.zeros(count, bool)]):
        train, totals = ~test, np.zeros(len(STRENGTHS))
        seed = SEED + 1 + number if number < len(outer) else SEED
        for part in grouped_folds(groups[train], INNER, seed):
            inner_test = np.zeros(count, bool)
            inner_test[np.flatnonzero(train)[part]] = True
            totals += [loss(fit(train & ~inner_test, c), inner_test) for c in STRENGTHS]
        weights = fit(train, STRENGTHS[int(totals.argmin())]).coef_[0]
        held_out[test] = features[test] @ (weights / np.linalg.norm(weights))
    other = time.perf_counter() - started
    np.testing.assert_allclose(ours.held_out, held_out, rtol=1e-4, atol=1e-4)
    return other / own


def elsewhere(revision: str) -> float:
    """Seconds a layer with another revision of this repository."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git = ["git", "-C", str(REPOSITORY), "worktree"]
        subprocess.run([*git, "add", "--detach", str(tree), revision], check=True)
        try:
            shutil.copy(__file__, tree / "tests" / "benchmarks" / "derive.py")
            done = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks.derive", "--layers-only"],
                cwd=tree, capture_output=True, text=True, check=True,
            )  # fmt: skip
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["derive_s_per_layer"])


def main() -> None:
    """Print the table and one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--against", help="another revision to compare with")
    parser.add_argument("--layers-only", action="store_true", help="no other comparison")
    options = parser.parse_args()
    a_layer, over, stages = seconds_a_layer()
    print(
        f"{TRAITS} traits, {PROMPTS} + {PROMPTS} prompts, {2 * SCENARIOS} responses, {WIDTH} wide"
    )
    for stage, seconds in stages.items():
        print(f"{stage:30} {seconds:6.2f} s a layer, summed over the threads of this process")
    print(f"{'a layer, as a user waits':30} {a_layer:6.2f} s")
    print(f"{'comparing the layers':30} {over:6.2f} s for {len(LAYERS)} layers")
    figures = {
        "derive_s_per_layer": round(a_layer, 3),
        "derive_over_layers_s": round(over, 3),
        "derive_peak_mib": round(peak_of_this_process() / 2**20),
    }
    if not options.layers_only:
        figures["probe_v_sklearn"] = round(probe_against_sklearn(), 1)
    if options.against:
        before = elsewhere(options.against)
        figures["derive_speedup"] = round(before / figures["derive_s_per_layer"], 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
