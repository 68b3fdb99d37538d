"""DuckDB files: published once by rename, then only read. One writer per work file."""
