"""New studies: from a trait in a sentence to prompts, questions, a rubric and responses."""
