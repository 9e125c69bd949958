"""Carrying: what is brought here from an MLflow server, or taken to one: its values, and what is told of it."""
