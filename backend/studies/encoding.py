"""The bytes of a text file as UTF-8."""

from __future__ import annotations

import codecs
import re
import unicodedata

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
_HEAD = 4096
_UNPACK = "Unpack it, and give what is in it."
_WORKBOOK = "In the spreadsheet, save the table as CSV UTF-8."
# How files begin that are no text, whatever their name -> what they are, and what to do.
_SIGNATURES = tuple(
    (re.compile(signature, re.DOTALL), what, remedy)
    for signature, what, remedy in (
        (rb"\x1f\x8b", "a gzip file", _UNPACK),
        (rb"BZh[1-9]1AY&SY", "a bzip2 file", _UNPACK),
        (rb"\xfd7zXZ\0", "an xz file", _UNPACK),
        (rb"\x28\xb5\x2f\xfd", "a zstd file", _UNPACK),
        (rb"PK\x03\x04.*?(?:xl/|\[Content_Types\])", "an Excel workbook", _WORKBOOK),
        (rb"PK\x03\x04", "a zip, as workbooks are", f"{_WORKBOOK} Unpack another zip."),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (xls)", _WORKBOOK),
        (rb"PAR1.*PAR1\Z", "a parquet file", "Let its name end in .parquet."),
    )
)
# Halves of surrogate pairs as bytes, and pairs of them, which CESU-8 has.
_PAIR = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")
_HALF = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
_BOMS = re.compile(rb"(?:\xef\xbb\xbf)++")
# Categories of characters that no text has: controls, halves, and those without a meaning.
_NO_TEXT = ("Cc", "Cn", "Co", "Cs")


def as_utf8(name: str, content: bytes, faults: FaultList) -> bytes | None:
    r"""The content as UTF-8 without a byte order mark.

    Its lines end in ``\n`` or ``\r\n``; a ``\r`` alone may end lines too, where others end so.

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
    for signature, kind, remedy in _SIGNATURES:
        if signature.match(content):
            faults.add(name, None, f"The file is {kind}, not text.", remedy)
            return None
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
        if not _is_utf8(name, content, faults):
            return None
    content = without_marks(content)
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    lines = content.count(b"\n") + content.count(b"\r") - content.count(b"\r\n")
    if lines > MOST_LINES:
        remedy = f"At most {MOST_LINES:,} are read: remove blank lines, or split the study."
        raise TooLarge(f"The file has {lines:,} lines.", remedy)
    return content


def without_marks(content: bytes) -> bytes:
    """UTF-8 without byte order marks before it: files that were saved or joined twice have more."""
    found = _BOMS.match(content)
    return content if found is None else content[found.end() :]


def _unmarked(head: bytes) -> str | None:
    """The encoding of two or four bytes a character that a file has without saying so."""
    for order in ("little", "big"):
        if _reads_as(head, f"utf-32-{order[0]}e"):
            return f"UTF-32 ({order}-endian)"
    for first, order in ((1, "little"), (0, "big")):
        zeros, others = (head[at::2].count(0) for at in (first, 1 - first))
        if zeros <= 4:
            continue
        if zeros > len(head) / 4 and not others:
            return f"UTF-16 ({order}-endian)"
        # Of letters beyond Latin, only the line ends, separators and names of columns have zeros.
        if _reads_as(head, f"utf-16-{order[0]}e"):
            return f"UTF-16 ({order}-endian)"
    return None


def _reads_as(head: bytes, encoding: str) -> bool:
    """Whether the begin of a file is lines of text in an encoding."""
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    plain = text.replace("\t", "").replace("\r", "").replace("\n", "")
    return len(plain) < len(text) and not any(unicodedata.category(c) in _NO_TEXT for c in plain)


def _is_utf8(name: str, content: bytes, faults: FaultList) -> bool:
    unmarked = _unmarked(content[:_HEAD])
    if unmarked is not None:
        what = f"The file looks like {unmarked} without a byte order mark."
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
            half = _PAIR.match(content, at) or _HALF.match(content, at)
            if half is not None:
                _add_half(name, line, half[0], faults)
                return False
            byte = content[at : at + 1]
            windows = byte.decode("cp1252", "ignore")
            hint = f" In Windows-1252 it is {windows!r}." if windows else ""
            faults.add(name, line, f"Byte 0x{byte.hex()} is not UTF-8.{hint}", _REMEDY)
            return False
    return True


def _add_half(name: str, line: int, found: bytes, faults: FaultList) -> None:
    """Tell of a character beyond UTF-16's first 65,536 in halves. Args: found: their bytes."""
    if _PAIR.match(found) is None:
        what = f"Bytes 0x{found.hex()} are half of a character, which is not UTF-8."
        remedy = "Write the text again from where it came, or remove that character."
    else:
        what = f"Bytes 0x{found.hex()} are one character in two halves (CESU-8), not UTF-8."
        remedy = _REMEDY
    faults.add(name, line, what, remedy)
