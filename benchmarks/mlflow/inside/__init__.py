"""Programs that run in the peers' environment."""
