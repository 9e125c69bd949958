"""Two answers to one request, and whether they say the same. Values and rules only."""
