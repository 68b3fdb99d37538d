"""Mutations of small studies: of their bytes, and of what they hold."""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.studies import small_study
from tests.support.study_files import records

Files = dict[str, bytes]
# What files of this kind have broken on, besides what chance finds.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 7, 7.5, 1e308, float("nan"), float("inf"), 10**18, [], {}, [[]]),
    *(
        "",
        " ",
        "7/10",
        "8,5",
        "1_0",
        "N/A",
        "nan",
        "1e400",
        "٧",
        "\0",
        "a\0b",
        "\ud83d",
        "a\u2028b",
    ),
    *(
        "é" * 50,
        "x" * 5000,
        "High",
        "high ",
        "t1",
        "tN",
        "t2",
        "s00",
        "<b>",
        "a/b",
        "50%",
        '"',
        "[]",
    ),
    *('"', "[]", "{}", "[[", "null", '[{"role": "user", "content": "hi"}]', "\x85", "\ufeff"),
    *('[{"role": "tool", "content": null}]', {"a": 1}, {"role": "user"}, {"warmth": 5}),
    *(
        "=1+1",
        [None],
        [{"role": "user", "content": "x", "name": "n"}],
        {"warmth": "7_0"},
        {"warmth": [7]},
    ),
    *({"warmht": 3}, ["x", 1, None]),
)
KEYS = (
    *("trait", "pole", "text", "prompt_set", "scenario", "turn", "responder", "messages", "scores"),
    *("Text", "text ", "", " ", "txt", "score:warmth", "score:", "Score:haste", "Unnamed: 0", "\0"),
    *("\ud83d", "<i>", "x" * 300, "score:a/b", "role", "content"),
)
CHUNKS = (
    *(b"\0", b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b'""', b"'", b",", b";"),
    *(b"\t", b"\r", b"\n", b"\r\n", b"{", b"}", b"[", b"]", b"[" * 3000, b'{"a":' * 2000),
    *(b"\\u0000", b"\\ud83d", b"\\", b"9" * 400, b"9" * 6000, b"NaN", b"-Infinity", b"1e999"),
    *(b"\xe2\x80\xa8", b"PK\x05\x06", b"PK\x06\x06", b"PAR1", b"\xf0\x9f", b"sep=;\n", b"null"),
)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def small_files(suffix: str) -> Files:
    """The files of a small study in a format; ``json`` is an array, which is not read."""
    study = small_study(scenarios=3, prompts=2)
    prompts, responses = records(study, flat=suffix in ("csv", "parquet"))
    metadata = {"title": "Small", "score_range": [0, 10], "traits": {"warmth": "", "haste": ""}}
    return {
        f"prompts.{suffix}": written(prompts, suffix),
        f"responses.{suffix}": written(responses, suffix),
        "study.json": json.dumps(metadata).encode(),
    }


def written(rows: list[Any], suffix: str) -> bytes:
    """Rows as bytes of a format, as far as it can hold them."""
    if suffix == "jsonl":
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    if suffix == "json":
        return json.dumps(rows).encode()
    objects = [row for row in rows if isinstance(row, dict)]
    columns = list(dict.fromkeys(key for row in objects for key in row))
    if suffix == "csv":
        text = io.StringIO()
        writer = csv.writer(text, delimiter=random.Random(len(rows)).choice(",,,;\t"))
        writer.writerow(columns)
        writer.writerows([row.get(column) for column in columns] for row in objects)
        return text.getvalue().encode(errors="surrogatepass")
    table = {_utf8(column): _column(objects, column) for column in columns}
    buffer = io.BytesIO()
    try:
        pq.write_table(pa.table(table), buffer)
    except pa.ArrowException:  # such as objects without any key
        buffer = io.BytesIO()
        pq.write_table(
            pa.table(
                {name: [ascii(v) for v in column.to_pylist()] for name, column in table.items()}
            ),
            buffer,
        )
    return buffer.getvalue()


def _utf8(text: str) -> str:
    return text.encode(errors="replace").decode()


def _column(rows: list[dict[Any, Any]], column: str) -> pa.Array:
    """A column of any type that its values share; of text where they share none."""
    values = [row.get(column) for row in rows]
    try:
        return pa.array(values)
    except (pa.ArrowException, UnicodeError, OverflowError):
        return pa.array([None if v is None else ascii(v) for v in values])


def zipped(files: Files, method: int, inside: str = "") -> bytes:
    """A zip of the files. Args: one of ``METHODS``, and the folder they lie in."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(inside + name, content)
    return buffer.getvalue()


def mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    """The content after one to four changes of bytes."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((1, 1, 2, 4, 30)))
        change = rng.randrange(7)
        if change == 0 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif change == 1 and data:
            data[at % len(data)] = rng.randrange(256)
        elif change == 2:
            del data[at:end]
        elif change == 3:
            data[at:at] = rng.choice(CHUNKS)
        elif change == 4:
            data[at:at] = data[at:end] * rng.choice((1, 2, 50))
        elif change == 5:
            del data[at:]
        else:
            data[at:end] = rng.randbytes(end - at)
    return bytes(data)


def mutated_value(value: Any, rng: random.Random, depth: int = 0) -> Any:
    """A JSON value after a change of a value, a key, the nesting or a type."""
    if isinstance(value, list) and value and depth < 5 and rng.random() < 0.85:
        at = rng.randrange(len(value))
        changed = [*value]
        how = rng.randrange(6)
        if how == 0:
            del changed[at]
        elif how == 1:
            changed.append(changed[at])
        else:
            changed[at] = mutated_value(value[at], rng, depth + 1)
        return changed
    if isinstance(value, dict) and value and depth < 5 and rng.random() < 0.85:
        key = rng.choice(list(value))
        changed = dict(value)
        how = rng.randrange(6)
        if how == 0:
            del changed[key]
        elif how == 1:
            changed[rng.choice(KEYS)] = changed.pop(key)
        elif how == 2:
            changed[rng.choice(KEYS)] = rng.choice(ODD)
        else:
            changed[key] = mutated_value(value[key], rng, depth + 1)
        return changed
    odd = rng.choice(ODD)
    if rng.random() < 0.05:
        for _ in range(rng.choice((3, 30, 500))):
            odd = [odd] if rng.random() < 0.5 else {"a": odd}
    return odd


def mutated_table(content: bytes, suffix: str, rng: random.Random) -> bytes:
    """A table after changes of what it holds, written again; parquet and csv lose what they cannot
    hold."""
    if suffix == "jsonl":
        rows: Any = [json.loads(line) for line in content.splitlines()]
    elif suffix == "json":
        rows = json.loads(content)
    elif suffix == "csv":
        rows = list(csv.DictReader(io.StringIO(content.decode())))
    else:
        rows = pq.read_table(io.BytesIO(content)).to_pylist()
    for _ in range(rng.randint(1, 3)):
        changed = mutated_value(rows, rng)
        rows = changed if isinstance(changed, list) else [changed]
    if suffix in ("jsonl", "csv", "parquet") and rng.random() < 0.1:
        rows = [
            {key: row[key] for key in list(row)[:-1]} if isinstance(row, dict) else row
            for row in rows
        ]
    return written(rows, suffix)


def mutated(files: Files, suffix: str, rng: random.Random) -> Files:
    """The files with one of them changed."""
    name = rng.choice(list(files))
    changed = dict(files)
    structure: Callable[[], bytes]
    if name == "study.json":
        structure = lambda: json.dumps(mutated_value(json.loads(files[name]), rng)).encode()  # noqa: E731
    else:
        structure = lambda: mutated_table(files[name], suffix, rng)  # noqa: E731
    changed[name] = structure() if rng.random() < 0.5 else mutated_bytes(files[name], rng)
    if rng.random() < 0.02:
        changed[rng.choice(("prompts.csv", "PROMPTS.JSONL", "study.json", "responses.json"))] = b"x"
    return changed
