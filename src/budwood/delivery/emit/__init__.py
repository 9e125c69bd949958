"""Saying a release in other systems' languages: values in, plain documents out. Nothing here reads, asks or writes."""
