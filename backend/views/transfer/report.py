"""Whether other models' vectors do better."""

from __future__ import annotations

from collections.abc import Sequence

from backend.settings import Settings
from backend.views.shared.blocks import Block, Chart, Fold, Section, Table, Text
from backend.views.shared.view import View
from backend.views.transfer.compute import TransferView, transfer_view
from backend.views.transfer.figures import (
    agreement_rows,
    transfer_differences,
    transfer_matrix,
    transfer_rows,
)


def _build(settings: Settings, view: View) -> Sequence[Block]:
    if len(view.runs) < 2:
        return (Text("Undefined: a comparison needs runs of two models on the same responses."),)
    every = view.runs[-1].traits
    found = transfer_view(settings, view.run_ids, every, view.prompt_set, view.layer, "text")
    flattered = (
        "Each vector is at its model's layer with the highest r of its own, on the same scores: "
        "both r are flattered, and neither interval nor p allows for it."
        if view.layer is None
        else f"All vectors are taken at layer {view.layer}."
    )
    blocks: list[Block] = [
        Text(
            "A → B: A reads the very responses whose scores are B's behaviour. r correlates, over "
            "them, the drift of A's activations along A's vector with the drift of the score. No "
            "vector is moved into another model, and nothing is steered."
        ),
        Text(_judged(found)),
        Text(flattered),
    ]
    for trait in view.traits:
        own = _trait(found, trait)
        title = trait.replace("_", " ")
        if len(view.traits) == 1:
            blocks += [Text(title, "strong"), *own]
        else:
            blocks.append(Fold(title, own))
    numbers = transfer_rows(found, [*found.transfers, *found.saved])
    return (*blocks, Fold("Every number", [Table("", "", numbers)]))


def _judged(found: TransferView) -> str:
    writers = {who for model in found.models for who in found.judged_on[model]}
    if not writers:
        return "There are no scored responses, so r is undefined everywhere."
    if len({found.judged_on[model] for model in found.models}) == 1:
        return (
            f"All responses were written by {', '.join(sorted(writers))}, so every model is judged "
            "on the same scores: what changes along a row is the own vector it is held against."
        )
    lines = [f"{model}: responses by {', '.join(found.judged_on[model])}" for model in found.models]
    return "Whose responses are a model's behaviour: " + "; ".join(lines) + "."


def _trait(found: TransferView, trait: str) -> list[Block]:
    here = [f for f in (*found.transfers, *found.saved) if f.trait == trait]
    labels = [f"{f.activation_model} → {f.behaviour_model}" for f in here]
    blocks: list[Block] = [
        Chart(
            "A's activations, B's behaviour",
            "▲ A beats B's own vector, ▼ B's own is better, ○ no difference shown, by the "
            f"Benjamini-Hochberg p (5%) over all {found.tests()} comparisons; the diagonal is each "
            "model's own r.",
            transfer_matrix(found, trait),
        ),
        Chart(
            "By how much?",
            "Right of zero A does better than B's own vector. Both r share B's behaviour, so the "
            "interval is Zou's and p Williams's; intervals are not adjusted for the number of "
            "tests.",
            transfer_differences(here, labels),
        ),
    ]
    agreements = [a for a in found.agreements if a.trait == trait]
    if agreements:
        blocks.append(
            Table(
                "How alike do the responders behave?",
                "The agreement of two responders' behaviours is the highest r to be expected of a "
                "perfect measure of one on the other.",
                agreement_rows(agreements),
            )
        )
    return blocks


SECTION = Section("transfer", "Do other models' vectors do better?", "transfer", _build, 15_000)
