"""What runs in a model's own process: standard library, relative imports. It may be somebody else's Python."""
