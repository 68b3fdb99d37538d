"""How large a study may be, so that no file can take a machine's memory or minutes of its time.

With these limits an import stays below 1 GB of memory; docs/studies.md names them.
"""

from __future__ import annotations

# All files of a study together, unpacked. Text with one rare sign takes four bytes a character in
# memory, and is held once as read and once to be hashed.
MOST_BYTES = 64 * 2**20
# Records of one table: a thousand times the scenarios of most studies.
MOST_ROWS = 200_000
# Columns of a table, or keys of one JSON object: each is compared with the known names.
MOST_COLUMNS = 1_000
# Cells of a csv or parquet table: an object in memory takes many times the bytes of a short cell.
MOST_CELLS = 2_000_000
# Values inside the lists and objects of a jsonl or parquet table, for the same reason.
MOST_VALUES = 3_000_000
# Likewise inside one record.
MOST_RECORD_VALUES = 100_000
# Line breaks of a text file, blank lines included.
MOST_LINES = 4_000_000
# Bytes of one line of jsonl, which is parsed before its values can be counted.
MOST_LINE_BYTES = 8 * 2**20
# Bytes of study.json; fewer than MOST_LINES, so that it cannot have too many lines.
MOST_METADATA_BYTES = 2 * 2**20
# Lists and objects inside each other; a chat needs three.
MOST_DEPTH = 20
# Characters of one text: more than any model reads.
MOST_TEXT = 1_000_000
# Digits of an integer in JSON: none of them is a score.
MOST_DIGITS = 300
# Bytes of a zip's table of contents; each entry takes about ten times as much in memory.
MOST_CONTENTS_BYTES = 4 * 2**20
# Size of a bound of score_range, so that squares and sums stay finite.
MOST_SCORE = 1e9


class TooLarge(Exception):
    """A table is beyond a limit, and is read no further.

    Attributes:
        what: what is too large.
        remedy: what to do about it.
        line: where the limit was met; None for the whole file.
    """

    def __init__(self, what: str, remedy: str, line: int | None = None) -> None:
        self.what = what
        self.remedy = remedy
        self.line = line
        super().__init__(what)


def size(count: float) -> str:
    """A number of bytes in words."""
    return f"{count / 2**20:,.0f} MiB" if count >= 2**20 else f"{count:,.0f} bytes"
