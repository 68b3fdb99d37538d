"""Whether other models' vectors do better."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.results import Results
from backend.views.shared.blocks import Block, Chart, Fold, Section, Table, Text
from backend.views.shared.view import View
from backend.views.transfer import words
from backend.views.transfer.compute import TransferView, transfer_view
from backend.views.transfer.figures import transfer_differences, transfer_matrix
from backend.views.transfer.tables import agreement_rows, transfer_rows


def _build(results: Results, view: View) -> Sequence[Block]:
    if len(view.runs) < 2:
        return (Text("Undefined: a comparison needs runs of two models on the same responses."),)
    every = view.runs[-1].traits
    found = results.with_saved(transfer_view, view.run_ids, every, view.prompt_set, view.layer)
    layers = (
        words.BEST_LAYERS if view.layer is None else f"All vectors are taken at layer {view.layer}."
    )
    blocks: list[Block] = [
        *(Text(words.answer(found, trait), "strong") for trait in view.traits[:1]),
        Text(f"A → B: {words.MEANING['text']}"),
        Text(words.judged_on(found)),
        Text(layers),
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


def _trait(found: TransferView, trait: str) -> list[Block]:
    here = [f for f in (*found.transfers, *found.saved) if f.trait == trait]
    labels = [f"{f.activation_model} → {f.behaviour_model}" for f in here]
    blocks: list[Block] = [
        Chart("A's activations, B's behaviour", words.matrix(found), transfer_matrix(found, trait)),
        Chart("By how much?", words.DIFFERENCES, transfer_differences(here, labels)),
    ]
    agreements = [a for a in found.agreements if a.trait == trait]
    if agreements:
        title = "How alike do the responders behave?"
        blocks.append(Table(title, words.AGREEMENT, agreement_rows(agreements)))
    return blocks


SECTION = Section("transfer", "Do other models' vectors do better?", "transfer", _build, 15_000)
