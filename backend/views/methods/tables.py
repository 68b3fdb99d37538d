"""Tables of the Methods page."""

from __future__ import annotations

from backend.core.vectors.methods import METHODS_BY_NAME
from backend.views.methods.comparison import MethodChoice, MethodComparison
from backend.views.methods.compute import METHOD, MethodGrid
from backend.views.methods.figures import ABSENT, ends_text, marked, rows_of
from backend.views.shared.numbers import p_text, r_text

OVERALL = (
    "difference of z",
    "p (t over traits)",
    "adjusted p",
    "mean difference of r",
    "traits",
    "higher on",
    "lower on",
    "surely higher on",
    "surely lower on",
)
OF_TRAIT = (
    "layer",
    "n",
    "r (Fisher)",
    "bootstrap",
    "layer chosen on other scenarios",
    "r held out",
    "minus mean difference (Zou)",
    "p (Williams)",
    "adjusted p",
)


def method_rows(grid: MethodGrid, comparison: MethodComparison, trait: str) -> list[dict[str, str]]:
    """Every number of one trait as a table, refused and absent methods with their reason.

    Args:
        grid: the numbers.
        comparison: the differences to the mean difference.
        trait: one of the grid's traits.
    """
    rows = []
    every = comparison.differences | comparison.saved
    for row in rows_of(grid, trait):
        shown = {"method": marked(row), "source": row.source}
        cell = grid.cells.get((row.name, trait))
        if cell is None:
            rows.append(shown | dict.fromkeys(OF_TRAIT, "–") | {"r (Fisher)": ABSENT})
            continue
        found = every.get((row.name, trait))
        numbers = (
            "–" if cell.layer is None else str(cell.layer),
            str(cell.correlation.n),
            r_text(cell.correlation, count=False),
            ends_text(cell.bootstrap),
            r_text(cell.held_out, count=False),
            "yes" if row.fitted else "nothing fitted",
            "–" if found is None else r_text(found.difference, count=False),
            "–" if found is None else p_text(found.difference.p),
            "–" if found is None else p_text(found.adjusted_p),
        )
        rows.append(shown | dict(zip(OF_TRAIT, numbers, strict=True)))
    return rows


def overall_rows(grid: MethodGrid, comparison: MethodComparison) -> list[dict[str, str]]:
    """The comparison over traits, and how often each method wins, as a table.

    Args:
        grid: for the methods.
        comparison: the comparison over traits.
    """
    rows: list[dict[str, str]] = []
    for row in grid.rows:
        if row.name == METHOD or row.saved:
            continue
        found = comparison.overall.get(row.name)
        if found is None:
            rows.append(
                {"method": marked(row)} | dict.fromkeys(OVERALL, "–") | {OVERALL[0]: ABSENT}
            )
            continue
        numbers = (
            r_text(found.z, count=False),
            p_text(found.z.p),
            p_text(found.adjusted_p),
            "–" if found.r is None else f"{found.r:+.3f}",
            str(found.z.n),
            str(found.won),
            str(found.lost),
            str(found.surely_won),
            str(found.surely_lost),
        )
        rows.append({"method": marked(row)} | dict(zip(OVERALL, numbers, strict=True)))
    return rows


def choice_rows(found: MethodChoice) -> list[dict[str, str]]:
    """What choosing the best method is worth, as a table.

    Args:
        found: of one trait.
    """
    name = "none" if found.method is None else METHODS_BY_NAME[found.method].title
    at = "" if found.layer is None else f", layer {found.layer}"
    return [
        {
            "chosen": f"highest r: {name}{at}",
            "r": r_text(found.highest),
            "says": "flattered: chosen on these scenarios",
        },
        {
            "chosen": "best chosen on other scenarios",
            "r": r_text(found.held_out),
            "says": "what the choice is worth",
        },
        {
            "chosen": "mean difference",
            "r": r_text(found.baseline),
            "says": "without choosing a method",
        },
    ]
