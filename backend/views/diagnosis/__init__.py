"""Why a cell fails: causes with evidence, verdict and a fix whose effect was measured."""
