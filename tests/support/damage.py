"""Ways in which the derived tables of a run can be damaged, with what is said of each."""

from __future__ import annotations

import duckdb

from backend.settings import Settings
from backend.store.run import run_path
from backend.store.schema import DERIVED_TABLES

# Seen when a run is opened, and so by every list.
SHAPES = {
    **{f"DROP TABLE {table}": f"table {table} is missing" for table in DERIVED_TABLES},
    "ALTER TABLE correlations DROP COLUMN r": "table correlations lacks column r",
    "UPDATE gram SET products = products[:3] WHERE layer = 1": "of 3 to 3 numbers for",
    "UPDATE moments SET s = s[:3] WHERE prompt_id = 1": "numbers for",
    "UPDATE gram SET products = NULL WHERE prompt_id = 1": "table gram",
    "DELETE FROM gram WHERE prompt_id = 0": "table gram (",
    "DELETE FROM gram WHERE layer = 2": "table gram lacks",
    "DELETE FROM moments": "table moments lacks",
    "DELETE FROM moment_totals": "table moment_totals lacks",
    "DELETE FROM alignment WHERE response_id = 3": "table alignment (",
    "DELETE FROM alignment": "table alignment lacks",
    "DELETE FROM behaviours WHERE case_id = 1": "cases in table behaviours and",
    "DELETE FROM behaviours": "cases in table behaviours and",
    "DELETE FROM correlations WHERE method = 'mean_difference' AND layer = 1": (
        "table correlations lacks mean_difference, "
    ),
    "DELETE FROM correlations WHERE method = 'unit_rows'": "table correlations lacks unit_rows, ",
    "DELETE FROM best_layers WHERE method = 'ridge_drift'": "table best_layers lacks ridge_drift",
    "DELETE FROM projections WHERE response_id = 2": "table projections (",
    "DELETE FROM projections": "table projections (",
    "DELETE FROM vectors": "table vectors lacks",
}
# Seen when they are read.
VALUES = {
    "UPDATE alignment SET products = products[:3]": "rows of 3 to 3 numbers for",
    "UPDATE alignment SET products = products[:3] WHERE response_id = 1": "rows of 3 to ",
    "UPDATE behaviours SET value = 'nan'": "table behaviours (warmth) holds what is no finite",
    "UPDATE projections SET projection = 'inf'": "table projections (warmth) holds what is no fin",
}


def damage(settings: Settings, run_id: str, statement: str) -> None:
    """Change a published run by SQL."""
    with duckdb.connect(str(run_path(settings, run_id))) as connection:
        try:
            connection.execute(statement)
        except duckdb.ConstraintException:  # the schema refuses NULL; another file need not
            connection.execute("ALTER TABLE gram ALTER COLUMN products DROP NOT NULL")
            connection.execute(statement)


# No damage: as if it had been derived again by a version that builds every vector in another way.
OTHER_VECTORS = "UPDATE vectors SET vector = list_transform(vector, lambda x: x + 1)"
