"""How soon a roll-back takes effect, and whether anybody notices."""
