"""What checks a registry's records without the registry; each file stands alone and imports nothing of Budwood."""
