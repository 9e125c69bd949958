"""Scripts run by the peers' own Python, one act each. They import the peer and nothing of ours."""
