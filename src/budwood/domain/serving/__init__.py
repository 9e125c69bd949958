"""How a version wants to be served: what it needs, whatever runs it."""
