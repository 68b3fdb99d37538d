"""Numbers: estimates, cases, statistics, geometry of prompts, vectors. numpy and scipy only."""
