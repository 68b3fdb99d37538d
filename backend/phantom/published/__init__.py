"""A phantom whose cells have the published study's numbers, each with a planted cause."""
