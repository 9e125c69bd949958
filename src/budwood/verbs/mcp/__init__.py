"""What can be asked of the registry of MCP servers."""
