"""Tables of the Methods page."""

from __future__ import annotations

import math

from backend.core.vectors.methods import MEAN_DIFFERENCE
from backend.views.methods.comparison import MethodChoice, MethodComparison
from backend.views.methods.compute import MethodGrid
from backend.views.methods.cosines import VectorCosines
from backend.views.methods.differences import MethodDifferences
from backend.views.methods.subsampling import SubsampleCurve
from backend.views.methods.words import interval_text, marked, missing_text, spread_text
from backend.views.shared.numbers import p_text, r_text

OVERALL = (
    "difference of z",
    "p (t over traits)",
    "adjusted p",
    "mean difference of r",
    "traits",
    "higher on",
    "lower on",
    "significantly higher on",
    "significantly lower on",
)
OF_TRAIT = (
    "layer",
    "n",
    "r (Fisher)",
    "bootstrap",
    "layer chosen on other scenarios",
    "r held out",
    "minus mean difference",
    "p",
    "adjusted p",
)


def method_rows(
    grid: MethodGrid, differences: MethodDifferences, trait: str
) -> list[dict[str, str]]:
    """Every number of one trait as a table, refused and missing methods with their reason.

    Args:
        grid: all methods on all traits of a run.
        differences: of the same run.
        trait: one of its traits.
    """
    rows = []
    for row in grid.rows_of(trait):
        shown = {"method": marked(row), "source": row.source}
        result = grid.results.get((row.name, trait))
        if result is None:
            missing = {"r (Fisher)": missing_text(row)}
            rows.append(shown | dict.fromkeys(OF_TRAIT, "–") | missing)
            continue
        found = differences.every.get((row.name, trait))
        numbers = (
            "–" if result.layer is None else str(result.layer),
            str(result.correlation.n),
            r_text(result.correlation, count=False),
            interval_text(result.bootstrap),
            r_text(result.held_out, count=False),
            "yes" if row.fitted else "nothing fitted",
            "–" if found is None else r_text(found.difference, count=False),
            "–" if found is None else p_text(found.difference.p),
            "–" if found is None else p_text(found.adjusted_p),
        )
        rows.append(shown | dict(zip(OF_TRAIT, numbers, strict=True)))
    return rows


def overall_rows(
    comparison: MethodComparison, differences: MethodDifferences
) -> list[dict[str, str]]:
    """The comparison over traits, and how often each method wins, as a table.

    Args:
        comparison: of a run.
        differences: of the same run.
    """
    rows: list[dict[str, str]] = []
    for row in comparison.grid.rows:
        if row.name == MEAN_DIFFERENCE or row.saved:
            continue
        found = comparison.overall.get(row.name)
        if found is None:
            missing = {OVERALL[0]: missing_text(row)}
            rows.append({"method": marked(row)} | dict.fromkeys(OVERALL, "–") | missing)
            continue
        numbers = (
            r_text(found.z, count=False),
            p_text(found.z.p),
            p_text(found.adjusted_p),
            "–" if found.r is None else f"{found.r:+.3f}",
            str(found.z.n),
            str(found.won),
            str(found.lost),
            str(differences.count(row.name, "higher")),
            str(differences.count(row.name, "lower")),
        )
        rows.append({"method": marked(row)} | dict(zip(OVERALL, numbers, strict=True)))
    return rows


def choice_rows(found: MethodChoice) -> list[dict[str, str]]:
    """What choosing the best method is worth, as a table.

    Args:
        found: of one trait.
    """
    at = "" if found.layer is None else f", layer {found.layer}"
    return [
        {
            "chosen": f"highest r: {found.title}{at}",
            "r": r_text(found.highest),
            "says": "inflated by selection: chosen on these scenarios",
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


def cosine_rows(found: VectorCosines) -> list[dict[str, str]]:
    """The cosines as a table.

    Args:
        found: of some vectors.
    """
    return [
        {"vector": name}
        | {
            other: "undefined: no length" if math.isnan(cosine) else f"{cosine:+.4f}"
            for other, cosine in zip(found.names, row, strict=True)
        }
        for name, row in zip(found.names, found.cosines.tolist(), strict=True)
    ]


def subsample_rows(curve: SubsampleCurve) -> list[dict[str, str | int]]:
    """r and cosine of vectors from fewer prompts as a table.

    Args:
        curve: of one cell.
    """
    return [
        {
            "prompts per pole": s.size,
            "r, mean and 95% of draws": "undefined" if s.r is None else spread_text(s.r),
            "cosine to all, mean and 95% of draws": spread_text(s.cosine),
            "cosine of disjoint subsets": "too few prompts for two"
            if s.stability is None
            else f"{s.stability:.3f}",
        }
        for s in curve.sizes
    ]
