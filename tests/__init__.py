"""Tests of Steerscope."""
