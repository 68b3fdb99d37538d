"""Notes of users, beside what they are about and in the report."""
