"""The job queue as pages and workers share it: DBOS on SQLite, or on PostgreSQL by URL."""
