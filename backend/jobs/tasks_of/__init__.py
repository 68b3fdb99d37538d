"""What a worker does besides extractions, a file a kind."""
