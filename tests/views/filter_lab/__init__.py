"""Tests of the Filter lab."""
