"""Policies: what must hold before a guarded stage or alias points at a version, and whether it does."""
