"""What filtering prompts would do: the lab."""
