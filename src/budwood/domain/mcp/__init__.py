"""MCP servers: what they are, and the rules of their registry."""
