"""Write a study in any of the formats that can be imported."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from backend.types import Prompt, Response, Study


def records(study: Study, *, flat: bool) -> tuple[list[dict], list[dict]]:
    """Rows of prompts and responses; ``flat`` as csv and parquet hold them."""

    def chat(text: Prompt | Response) -> object:
        messages = [{"role": m.role, "content": m.content} for m in text.messages]
        return json.dumps(messages, ensure_ascii=False) if flat else messages

    prompts = []
    chats = any(p.messages for p in study.prompts)
    for p in study.prompts:
        row = {"trait": p.trait, "pole": p.pole, "text": p.text, "prompt_set": p.prompt_set}
        if any(other.pair for other in study.prompts):
            row["pair"] = p.pair
        if chats:
            row["messages"] = chat(p)
        prompts.append(row)
    responses = []
    for r in study.responses:
        row = {"scenario": r.scenario, "text": r.text, "turn": r.turn, "responder": r.responder}
        row["messages"] = chat(r)
        if flat:
            row |= {f"score:{trait}": r.scores.get(trait) for trait in study.traits}
        else:
            row["scores"] = r.scores
        responses.append(row)
    return prompts, responses


def write_study(folder: Path, study: Study, suffix: str = "jsonl") -> Path:
    """Write the study's folder and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    prompts, responses = records(study, flat=suffix != "jsonl")
    for name, rows in (("prompts", prompts), ("responses", responses)):
        if rows:
            _write(folder / f"{name}.{suffix}", rows)
    metadata = {
        "title": study.title,
        "description": study.description,
        "licence": study.licence,
        "provenance": study.provenance,
        "score_range": list(study.score_range),
        "traits": study.traits,
    }
    (folder / "study.json").write_text(json.dumps(metadata), encoding="utf-8")
    return folder


def _write(path: Path, rows: list[dict]) -> None:
    if path.suffix == ".jsonl":
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        path.write_text(lines, encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
