"""Composes studies, models, extraction and store into a run; serves the job queue."""
