"""Bringing over what an MLflow server holds, and taking it back: readers of its stores, and the one walk over them."""
