"""Tables as people have them, in no format that is known, and how they are written."""

from __future__ import annotations

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq

POLES = [
    {"id": 1, "label": 1, "sentence": "I am glad.", "about": "warmth"},
    {"id": 2, "label": 1, "sentence": "That must hurt.", "about": "warmth"},
    {"id": 3, "label": 0, "sentence": "Noted.", "about": "warmth"},
    {"id": 4, "label": 0, "sentence": "Next point.", "about": "warmth"},
    {"id": 5, "label": 2, "sentence": "It is four.", "about": "warmth"},
]
ANSWERS = [
    {"conv": "c1", "when": "first", "model": "a", "user": "I failed.", "reply": "Oh.", "w": 8.5},
    {"conv": "c1", "when": "last", "model": "a", "user": "Again.", "reply": "Why?", "w": 2},
    {"conv": "c2", "when": "first", "model": "a", "user": "I won.", "reply": "Yes!", "w": 9},
    {"conv": "c2", "when": "last", "model": "a", "user": "I lost.", "reply": "No.", "w": None},
]


def write_table(path, rows):
    """Write rows as csv, Parquet, a JSON array or jsonl, by the ending of a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1), "utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
