"""How vectors are built: the pipeline of choices, probes, controls and the lab's algebra."""
