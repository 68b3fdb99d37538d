"""The study's ten tests, on what was published and on any study."""
