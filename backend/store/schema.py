"""Tables of study and run files. docs/tables.md explains them for users of the duckdb client.

A file records the format it was written in; a reader refuses an unknown format by name instead of
guessing. A change of a table that a reader would notice gets the next number and a migration. What
is *computed* for the tables has a version of its own (backend.runs.derive), so that a new metric
needs no new format and no model.
"""

from __future__ import annotations

FORMAT = 7
# Formats that can be read. A run of format 2 says nothing of first tokens; one of format 3 does
# not say by which version its derived tables were computed; in one of format 4 the scenario is
# all that makes responses dependent, and r is over all responders together; in one of format 5
# every prompt is plain text. Format 7 has the columns of format 6, but turns may have numbers, of
# which an older reader would make no case and say nothing.
READABLE = (2, 3, 4, 5, 6, 7)
# Since this format the derived tables have the same columns.
SAME_DERIVED = 5
# Scores at whose fractions every study's responses were split into high and low ones for probes,
# before the version of derivations that splits them at fractions of the study's own range.
LABELLED_RANGE = (0.0, 10.0)
RANGED_LABELS = 3
# Since this version of derivations held-out metrics and random halves take pairs whole.
WHOLE_PAIRS = 4
# Format -> table -> columns that it brought.
ADDED_COLUMNS: dict[int, dict[str, tuple[str, ...]]] = {
    3: {
        f"{kind}_activations": ("first_norm DOUBLE", "first_share DOUBLE")
        for kind in ("prompt", "response")
    },
    5: {
        "prompts": ("pair VARCHAR",),
        "responses": ("group_name VARCHAR",),
        "behaviours": ("group_name VARCHAR",),
        "moment_totals": ("effective DOUBLE", "groups INTEGER"),
        "correlations": (
            "groups INTEGER",
            "effective DOUBLE",
            "pooled_r DOUBLE",
            "pooled_low DOUBLE",
            "pooled_high DOUBLE",
        ),
    },
    6: {"prompts": ("messages VARCHAR",)},
}
_ADDED_TABLES: dict[int, tuple[str, ...]] = {
    4: ("CREATE TABLE derivations (version INTEGER NOT NULL, made_at VARCHAR NOT NULL)",),
    5: (
        "CREATE TABLE repeated_scores (response_id INTEGER NOT NULL, trait VARCHAR NOT NULL,"
        " repeat INTEGER NOT NULL, score DOUBLE NOT NULL,"
        " PRIMARY KEY (response_id, trait, repeat))",
    ),
}
# Format -> statements that make a run of the format before it one of this format. Each is run in
# one transaction on a copy, when the run is derived again; a published file never changes. Derived
# tables, which may be damaged, are not there then: they are made anew.
MIGRATIONS: dict[int, tuple[str, ...]] = {
    number: (
        *_ADDED_TABLES.get(number, ()),
        *(
            f"ALTER TABLE IF EXISTS {table} ADD COLUMN {column}"
            for table, columns in ADDED_COLUMNS.get(number, {}).items()
            for column in columns
        ),
    )
    for number in range(READABLE[0] + 1, FORMAT + 1)
}
# What is computed from the activations, and can be computed again.
DERIVED_TABLES = (
    "behaviours",
    "inner_products",
    "gram",
    "alignment",
    "moments",
    "moment_totals",
    "vectors",
    "projections",
    "metrics",
    "influences",
    "correlations",
    "best_layers",
    "controls",
    "subsampling",
)

STUDY_TABLES = """
CREATE TABLE file_format (format INTEGER NOT NULL, kind VARCHAR NOT NULL);
CREATE TABLE study (
    name VARCHAR NOT NULL, content_hash VARCHAR NOT NULL, title VARCHAR NOT NULL,
    description VARCHAR NOT NULL, licence VARCHAR NOT NULL, provenance VARCHAR NOT NULL,
    score_low DOUBLE NOT NULL, score_high DOUBLE NOT NULL, target VARCHAR NOT NULL);
CREATE TABLE traits (
    position INTEGER NOT NULL, trait VARCHAR PRIMARY KEY, description VARCHAR NOT NULL);
CREATE TABLE prompts (
    prompt_id INTEGER PRIMARY KEY, trait VARCHAR NOT NULL, pole VARCHAR NOT NULL,
    prompt_set VARCHAR NOT NULL, text VARCHAR NOT NULL, pair VARCHAR, messages VARCHAR);
CREATE TABLE responses (
    response_id INTEGER PRIMARY KEY, scenario VARCHAR NOT NULL, turn VARCHAR,
    responder VARCHAR NOT NULL, messages VARCHAR NOT NULL, text VARCHAR NOT NULL,
    group_name VARCHAR);
CREATE TABLE scores (
    response_id INTEGER NOT NULL, trait VARCHAR NOT NULL, score DOUBLE NOT NULL,
    PRIMARY KEY (response_id, trait));
CREATE TABLE repeated_scores (
    response_id INTEGER NOT NULL, trait VARCHAR NOT NULL, repeat INTEGER NOT NULL,
    score DOUBLE NOT NULL, PRIMARY KEY (response_id, trait, repeat));
"""

VECTOR_TABLES = """
CREATE TABLE file_format (format INTEGER NOT NULL, kind VARCHAR NOT NULL);
CREATE TABLE vector (
    run_id VARCHAR NOT NULL, trait VARCHAR NOT NULL, prompt_set VARCHAR NOT NULL,
    layer INTEGER NOT NULL, pipeline VARCHAR NOT NULL, created_at VARCHAR NOT NULL,
    prompt_ids INTEGER[] NOT NULL, n INTEGER NOT NULL, r DOUBLE, low DOUBLE, high DOUBLE,
    p DOUBLE, reason VARCHAR, vector DOUBLE[] NOT NULL, projections DOUBLE[] NOT NULL);
"""

IMPORTED_TABLES = """
CREATE TABLE file_format (format INTEGER NOT NULL, kind VARCHAR NOT NULL);
CREATE TABLE imported (
    trait VARCHAR NOT NULL, created_at VARCHAR NOT NULL, file VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL, file_kind VARCHAR NOT NULL, numbering VARCHAR NOT NULL,
    label VARCHAR NOT NULL, model VARCHAR NOT NULL, depth INTEGER);
CREATE TABLE imported_layers (layer INTEGER PRIMARY KEY, vector DOUBLE[] NOT NULL);
"""


def run_tables(width: int) -> str:
    """Tables that a run adds to those of its study.

    Args:
        width: d, the number of coordinates of an activation.
    """
    return f"""
CREATE TABLE run (key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
CREATE TABLE timings (stage VARCHAR NOT NULL, seconds DOUBLE NOT NULL);
CREATE TABLE derivations (version INTEGER NOT NULL, made_at VARCHAR NOT NULL);
CREATE TABLE batches (
    batch_id INTEGER PRIMARY KEY, prompt_ids INTEGER[] NOT NULL, response_ids INTEGER[] NOT NULL,
    tokens INTEGER NOT NULL, seconds DOUBLE);
CREATE TABLE prompt_activations (
    prompt_id INTEGER NOT NULL, layer INTEGER NOT NULL, tokens INTEGER NOT NULL,
    norm DOUBLE NOT NULL, first_norm DOUBLE, first_share DOUBLE,
    activation FLOAT[{width}] NOT NULL);
CREATE TABLE response_activations (
    response_id INTEGER NOT NULL, layer INTEGER NOT NULL, tokens INTEGER NOT NULL,
    norm DOUBLE NOT NULL, first_norm DOUBLE, first_share DOUBLE,
    activation FLOAT[{width}] NOT NULL);
{derived_tables(width)}"""


def derived_tables(width: int) -> str:
    """Tables that are computed from the activations of a run.

    Args:
        width: d, the number of coordinates of an activation.
    """
    return f"""
CREATE TABLE behaviours (
    trait VARCHAR NOT NULL, case_id INTEGER NOT NULL, scenario VARCHAR NOT NULL,
    responder VARCHAR NOT NULL, first_response INTEGER, last_response INTEGER NOT NULL,
    value DOUBLE NOT NULL, group_name VARCHAR);
CREATE TABLE inner_products (
    metric VARCHAR NOT NULL, trait VARCHAR, layer INTEGER NOT NULL, title VARCHAR NOT NULL,
    note VARCHAR NOT NULL);
CREATE TABLE gram (
    metric VARCHAR NOT NULL, trait VARCHAR NOT NULL, layer INTEGER NOT NULL,
    prompt_id INTEGER NOT NULL, products DOUBLE[] NOT NULL);
CREATE TABLE alignment (
    metric VARCHAR NOT NULL, trait VARCHAR NOT NULL, layer INTEGER NOT NULL,
    response_id INTEGER NOT NULL, products DOUBLE[] NOT NULL);
CREATE TABLE moments (
    metric VARCHAR NOT NULL, trait VARCHAR NOT NULL, layer INTEGER NOT NULL,
    prompt_id INTEGER NOT NULL, s DOUBLE[] NOT NULL, b DOUBLE NOT NULL);
CREATE TABLE moment_totals (
    metric VARCHAR NOT NULL, trait VARCHAR NOT NULL, layer INTEGER NOT NULL,
    cases INTEGER NOT NULL, y_square DOUBLE NOT NULL, rounding DOUBLE NOT NULL,
    effective DOUBLE, groups INTEGER);
CREATE TABLE vectors (
    method VARCHAR NOT NULL, trait VARCHAR NOT NULL, prompt_set VARCHAR NOT NULL,
    layer INTEGER NOT NULL, vector DOUBLE[{width}] NOT NULL);
CREATE TABLE projections (
    method VARCHAR NOT NULL, trait VARCHAR NOT NULL, prompt_set VARCHAR NOT NULL,
    layer INTEGER NOT NULL, response_id INTEGER NOT NULL, projection DOUBLE NOT NULL,
    held_out BOOLEAN NOT NULL);
CREATE TABLE metrics (
    trait VARCHAR NOT NULL, prompt_set VARCHAR NOT NULL, layer INTEGER NOT NULL,
    name VARCHAR NOT NULL, value DOUBLE, reason VARCHAR);
CREATE TABLE influences (
    trait VARCHAR NOT NULL, prompt_set VARCHAR NOT NULL, layer INTEGER NOT NULL,
    prompt_id INTEGER NOT NULL, degrees DOUBLE, reason VARCHAR);
CREATE TABLE correlations (
    method VARCHAR NOT NULL, trait VARCHAR NOT NULL, prompt_set VARCHAR NOT NULL,
    layer INTEGER NOT NULL, target VARCHAR NOT NULL, n INTEGER NOT NULL,
    r DOUBLE, low DOUBLE, high DOUBLE, p DOUBLE, boot_low DOUBLE, boot_high DOUBLE,
    rho DOUBLE, rho_low DOUBLE, rho_high DOUBLE, reason VARCHAR, groups INTEGER,
    effective DOUBLE, pooled_r DOUBLE, pooled_low DOUBLE, pooled_high DOUBLE);
CREATE TABLE best_layers (
    method VARCHAR NOT NULL, trait VARCHAR NOT NULL, prompt_set VARCHAR NOT NULL, layer INTEGER,
    of_layers INTEGER NOT NULL, r DOUBLE, p DOUBLE, null_95 DOUBLE, held_out_r DOUBLE,
    held_out_low DOUBLE, held_out_high DOUBLE, held_out_p DOUBLE, reason VARCHAR);
CREATE TABLE controls (
    trait VARCHAR NOT NULL, prompt_set VARCHAR NOT NULL, layer INTEGER NOT NULL,
    kind VARCHAR NOT NULL, draws INTEGER NOT NULL, typical DOUBLE, low DOUBLE, high DOUBLE,
    p DOUBLE, reason VARCHAR);
CREATE TABLE subsampling (
    trait VARCHAR NOT NULL, prompt_set VARCHAR NOT NULL, layer INTEGER NOT NULL,
    size INTEGER NOT NULL, cosine DOUBLE NOT NULL, cosine_low DOUBLE NOT NULL,
    cosine_high DOUBLE NOT NULL, stability DOUBLE, r DOUBLE, r_low DOUBLE, r_high DOUBLE);
"""
