"""The scanner: may this file be loaded by the library it was made for, or would loading run something else?

Start with ``guarded.py``: it asks a process that may open nothing and is ended when it takes too long. What that
process does is ``look.py``: it tells by content what a file is, opens archives, follows pickles without running
them (``pickles.py``) and asks the format readers about the rest. ``report.py`` has the words of the answer.

A file is clean only when all of it was understood. Whatever was not understood is no reason to pass.
"""
