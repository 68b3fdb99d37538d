"""Before and after an extraction: forecast, history, two runs compared."""
