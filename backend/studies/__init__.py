"""Read and check studies. Every fault is reported at once and nothing is kept of a bad one."""
