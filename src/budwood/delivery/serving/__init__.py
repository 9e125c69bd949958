"""Serving: each version of a model in a process of its own, which answers Open Inference requests."""
