"""Any table as a study, by a mapping of its columns."""
