"""The HTTP face: what a team asks of one registry (design/open/0009-registry-for-a-team.md)."""
