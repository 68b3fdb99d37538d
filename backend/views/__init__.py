"""What is shown, one folder a topic: compute, figures, tables, words, and its report section."""
