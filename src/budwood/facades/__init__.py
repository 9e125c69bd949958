"""Other tools' protocols: each translates what its clients ask into verbs, and knows neither the others nor the server.

``face.py`` is what they have in common, and what the server mounts.
"""
