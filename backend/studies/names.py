"""Names of traits, prompt sets, responders and scenarios, as the rows of a table give them."""

from __future__ import annotations

from backend.names import name_problem
from backend.studies.faults import FaultList, shown
from backend.studies.rows import Record


def name_of(file: str, row: Record, column: str, faults: FaultList) -> str | None:
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


def optional_name(
    name: str, row: Record, column: str, default: str, faults: FaultList
) -> str | None:
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
