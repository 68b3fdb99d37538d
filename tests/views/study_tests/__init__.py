"""The study's tests."""
