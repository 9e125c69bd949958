"""Tracking: experiments, their runs, and what runs log; the language in which they are searched."""
