"""From a user's string to a loaded model: safetensors or GGUF only, no remote code."""
