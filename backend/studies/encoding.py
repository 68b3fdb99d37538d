"""The bytes of a text file as UTF-8."""

from __future__ import annotations

import codecs

from backend.studies.faults import FaultList
from backend.studies.limits import MOST_LINES, TooLarge

_REMEDY = "Save the file with UTF-8 encoding (in a spreadsheet: CSV UTF-8)."
# The longer mark first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_STEP = 2**20


def as_utf8(name: str, content: bytes, faults: FaultList) -> bytes | None:
    r"""The content as UTF-8 without a byte order mark, its lines ended by ``\n`` or ``\r\n``.

    UTF-16 and UTF-32 are read where a byte order mark says so; any other encoding is a guess, and
    becomes a fault.

    Args:
        name: file name.
        content: its bytes.
        faults: told why it cannot be read.

    Returns:
        The bytes; None after a fault.

    Raises:
        TooLarge: it has too many lines.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            try:
                content = content.decode(encoding).encode()
            except UnicodeError:
                what = f"The file begins like {encoding.upper()}, and is not all of it."
                faults.add(name, None, what, _REMEDY)
                return None
            break
    else:
        content = content.removeprefix(codecs.BOM_UTF8)
        if not _is_utf8(name, content, faults):
            return None
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    lines = content.count(b"\n")
    if lines > MOST_LINES:
        remedy = f"At most {MOST_LINES:,} are read: remove blank lines, or split the study."
        raise TooLarge(f"The file has {lines:,} lines.", remedy)
    return content


def _is_utf8(name: str, content: bytes, faults: FaultList) -> bool:
    head = content[:4096]
    for first, order in ((1, "little"), (0, "big")):
        zeros = head[first::2].count(0)
        if zeros > 4 and zeros > len(head) / 4 and not head[1 - first :: 2].count(0):
            what = f"The file looks like UTF-16 ({order}-endian) without a byte order mark."
            faults.add(name, None, what, _REMEDY)
            return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(content) + 1, _STEP):
        step = content[start : start + _STEP]
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(step, final=start + _STEP > len(content))
        except UnicodeDecodeError as fault:
            at = start - pending + fault.start
            line = content.count(b"\n", 0, at) + 1
            byte = content[at : at + 1]
            windows = byte.decode("cp1252", "ignore")
            hint = f" In Windows-1252 it is {windows!r}." if windows else ""
            faults.add(name, line, f"Byte 0x{byte.hex()} is not UTF-8.{hint}", _REMEDY)
            return False
    return True
