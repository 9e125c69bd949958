"""Programs that the peers' own Python runs."""
