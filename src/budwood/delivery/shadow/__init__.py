"""Copies of requests: the listener that hears them, what is captured of both answers, and the log they lie in."""
