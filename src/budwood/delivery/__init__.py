"""Moving traffic: the gateway and what drives it. Decisions are made in ``domain``; this room carries them out."""
