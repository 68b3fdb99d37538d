"""What happens from turn to turn."""

from __future__ import annotations

from collections.abc import Sequence

from backend.runs.results import Results
from backend.store.run import Run
from backend.store.run_values import RunSummary
from backend.views.map.compute import layer_of_map
from backend.views.shared.blocks import Block, Chart, Section, Table, Text
from backend.views.shared.per_cell import per_cell
from backend.views.shared.view import View
from backend.views.trajectories import words
from backend.views.trajectories.compute import CHARACTERS, drift_r, trajectories, turn_r
from backend.views.trajectories.figures import drift_figure, trajectory_figure
from backend.views.trajectories.tables import drift_rows, mean_rows, missing, over_turns_rows


def _build(results: Results, view: View) -> Sequence[Block]:
    def cell(run: RunSummary, trait: str) -> tuple[str, Sequence[Block]]:
        layer = view.layer
        if layer is None:
            layer = results.of_run(layer_of_map, run.run_id, trait, view.prompt_set)
        place = (run.run_id, trait, view.prompt_set, layer)
        found = results.of_run(trajectories, *place)
        if not found.turns:
            return "no turns", (Text(words.NO_TURNS),)
        if len(found.turns) == 2:
            return "two turns", (Text(words.extent(found)), Text(words.moved(found)))
        over, drift = results.of_run(turn_r, *place), results.of_run(drift_r, *place)
        chosen = found.chosen(found.notable)
        ids = tuple(point.response_id for one in chosen for point in one.points)
        texts = results.of_run(Run.scored_texts, run.run_id, trait, ids, CHARACTERS)
        return f"layer {layer}", (
            Text(f"{words.extent(found)} {words.moved(found)}"),
            Chart(
                "Projection and score by turn",
                f"{words.MEAN} {words.CHOSEN}",
                trajectory_figure(
                    found,
                    chosen,
                    words.conversation_names(found),
                    {text.response_id: text for text in texts},
                ),
            ),
            Table("The means", missing(found), mean_rows(found)),
            Text(words.over_turns_answer(over)),
            Table(
                "r over all turns",
                f"{words.OVER_TURNS} {missing(over)}".strip(),
                over_turns_rows(over),
            ),
            Text(words.drift_answer(drift)),
            Chart("r of the drift since the first turn", words.BY_STOP, drift_figure(drift)),
            Table("", missing(drift), drift_rows(drift)),
        )

    return per_cell(view, "trajectories", cell)


SECTION = Section("trajectories", "What happens from turn to turn?", "trajectories", _build, 25_000)
