"""Running a user's evaluation of a version, and keeping what it measured as evidence.

``evaluate.py`` is the order of things, ``running.py`` the process and its limits, ``_entry.py`` what runs in it.
"""
