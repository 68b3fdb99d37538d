"""Names of traits, prompt sets, responders and scenarios."""

from __future__ import annotations

from backend.studies.faults import FaultList, shown
from backend.studies.limits import MOST_NAME
from backend.studies.rows import Row

# Names stand in charts' labels, in Markdown and in HTML, where these are marks.
_MARKS = '<>"%`\\'
# What a column may not hold: traits and prompt sets name files too. Scenarios are shown as text.
_REFUSED = {
    "trait": f"{_MARKS}/",
    "prompt_set": f"{_MARKS}/",
    "responder": _MARKS,
    "scenario": "",
    "group": "",
    "pair": "",
}


def name_of(file: str, row: Row, column: str, faults: FaultList) -> str | None:
    """The row's name in a column without white space around it, or None after a fault.

    Args:
        file: file name.
        row: one record; a whole number is a name too.
        column: trait, prompt_set, responder, scenario, group or pair.
        faults: told of a name that cannot be used.
    """
    value = row.values.get(column)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        faults.add(
            file, row.line, f"{column} is {{}}, not text.", "Write it as a string.", shown(value)
        )
        return None
    name = value.strip()
    if not name:
        faults.add(file, row.line, f"{column} is empty.", "Fill it in, or remove the row.")
        return None
    problem = name_problem(column, name)
    if problem is not None:
        faults.add(file, row.line, *problem, shown(name))
        return None
    return name


def name_problem(column: str, name: str) -> tuple[str, str] | None:
    """What is wrong with a name, with ``{}`` where it stands, and the remedy; None if nothing.

    Args:
        column: trait, prompt_set, responder, scenario, group or pair.
        name: without white space around it.
    """
    refused = _REFUSED[column]
    if len(name) > MOST_NAME:
        return (
            f"{column} {{}} has more than {MOST_NAME} characters.",
            "Give it a short name; a description has its place in study.json.",
        )
    if not name.isprintable():
        return f"{column} {{}} holds a control character.", "Write it on one line, as plain text."
    if any(sign in refused for sign in name):
        return f"{column} {{}} holds one of {' '.join(refused)} .", "Rename it without these signs."
    return None


def optional_name(name: str, row: Row, column: str, default: str, faults: FaultList) -> str | None:
    """The name in a column that may be left out.

    Args:
        name: file name.
        row: the record.
        column: which of its columns.
        default: what it is where nothing is there.
        faults: told where it is no name.

    Returns:
        None where it is no name.
    """
    if row.values.get(column) is None:
        return default
    return name_of(name, row, column, faults)
