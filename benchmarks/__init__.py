"""Programs that measure: a corpus of real models, peers on the same files, and the figures Budwood promises.

None of this is part of the installed package. Run from the repository's root, as ``python -m benchmarks.corpus``.
"""
