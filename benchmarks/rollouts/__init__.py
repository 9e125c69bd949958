"""How often a healthy candidate is condemned, and how soon a bad one is."""
