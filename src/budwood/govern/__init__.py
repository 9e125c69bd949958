"""Acting on what policies decide: what needs a process or a key of its own."""
