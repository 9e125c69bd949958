"""A dossier: all that is known of one version, as files for somebody who was not there and trusts nobody.

``content.py`` is what was gathered, ``sections.py`` what is told of it, ``requirements.py`` where the items of rules
are answered, ``markup.py`` how pages are written so that no text becomes markup, ``signed.py`` the list that is signed.
"""
