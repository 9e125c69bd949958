"""Changing where requests go, on evidence: what a rollout is, what was counted, and what to do next. Pure."""
