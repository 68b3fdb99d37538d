"""New studies: what writing and judging will take, the draft, and what came of it."""
