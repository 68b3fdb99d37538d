"""Where a marker leaves what healthy cells show.

Measured over 96 phantom cells with nothing planted, at the layer with the highest r (64, 200 and
500 scenarios; 5 and 20 prompts per pole; 1 and 3 responders; drifts and levels; widths 64 and 256;
``python -m tests.benchmarks.diagnosis --calibrate``), the extremes are: norm ratio 1.11, cosine gap
0.07, dominance 0.24, split-half stability 0.83, share at an end 0.15, rounding share 0.03,
reliability 0.51, correlation with length 0.16 (the interval's end nearer to zero), held-out probe
gain 0.05; none of the cells is accused. Thresholds lie beyond all of them, with room for real
prompts, which differ more than simulated ones: where a fix can be measured, a marker alone never
supports a cause. Only the correlation of scores between turns falls below its threshold (0.13), and
so supports nothing. Seeds differ from those of ``make bench-diagnosis``.
"""

from __future__ import annotations

# Longest prompt of a pole over the pole's median norm, or the reverse for the shortest.
NORM_RATIO = 1.5
# How far a prompt's cosine with the rest of its pole lies below the pole's median cosine.
COSINE_GAP = 0.15
# Probability that a prompt of one pole is longer than one of the other.
POLE_ORDER = 0.9
# Share of a prompt's words that its nearest prompt of the other pole does not have.
WORDS_DIFFER = 0.1
# Split-half stability: below it, less of the vector than of a poor test's score is what it should
# be of (Cicchetti 1994 calls a reliability below 0.4 poor).
SPLIT_HALF = 0.4
# Split-half stability for which the number of prompts is told.
STEADY = 0.8
# Share of ||v||^2 in one coordinate.
DOMINANCE = 0.3
# The first token's share of a prompt's pooled squared length beyond an ordinary token's (0 like the
# others, 1 the whole mean), median over prompts. Phantoms have no tokens, so this one was set on
# models without a token before the text: random ones stay below 0.05; SmolLM2, over 80 prompts of
# the sample, below 0.25 in layers 0 to 11 and above 0.85 in layers 12 to 20.
FIRST_TOKEN = 0.5
# Share of scores at an end of the range (see ``ScoreUse.crowding``).
AT_END = 0.5
# Share of scores next to one value of the range, in steps finer than that.
STUCK = 0.9
# Cases with which scores can say how they use their range. Of normal scores with a standard
# deviation of two steps (rounding share 2%), 24% of samples of 5 reach the share below, 6% of 10.
SCORED = 10
# Share of the scores' variance that rounding to their own step accounts for.
ROUNDING_SHARE = 0.1
# Correlation of a scenario's scores at t1 and tN, a lower bound of the judge's reliability, above
# which its scores are no mere error.
STABILITY = 0.2
# Reliability below which an intraclass correlation is poor (Cicchetti 1994, Psychological
# Assessment 6: 284-290).
RELIABILITY = 0.4
# Correlation of projection drift with length drift: the interval's end nearer to zero.
LENGTH_R = 0.3
# Held-out probe r minus template r.
PROBE_GAIN = 0.2
# Cases needed to see r = 0.3 with 80% power at 5%, two-sided (Cohen 1988, table 3.3.5: 85).
CASES = 85
# Chance of supporting any cause by a gain that is not there, over all causes and traits of a run
# (Bonferroni: a cell's verdict must not depend on how many traits are asked for at once). The
# causes whose support needs a gain (``Rule.by_gain``) all count, however many are marked.
FAMILY = 0.05
GAIN_TESTS = 7
