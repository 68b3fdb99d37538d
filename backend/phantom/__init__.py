"""A simulator with known truth: it plants a cause per cell, as a calibration phantom does."""
