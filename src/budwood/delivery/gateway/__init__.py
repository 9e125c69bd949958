"""One Envoy: its configuration from endpoints, its boot file, and its process."""
