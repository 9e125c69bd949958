"""Storage tiers: policies, where versions belong, the work that brings them there, and what it costs."""
