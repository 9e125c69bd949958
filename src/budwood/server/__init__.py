"""The HTTP face: what a team asks of one registry (design/accepted/0009-registry-for-a-team.md)."""
