"""One function per metric of a cell's prompts, for many cells at once; registry lists them."""
