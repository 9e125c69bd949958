"""Traces: what an application did for one request, as spans, and what people and judges think of it."""
