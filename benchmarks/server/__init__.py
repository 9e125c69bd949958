"""A registry for a team, measured over HTTP: ``python -m benchmarks.server --out DIR`` (``--help`` says what else).

``homes.py`` starts servers on SQLite and on PostgreSQL, ``fill.py`` gives them a million versions, ``load.py`` is the
program that asks, ``acts.py`` says what is asked, ``moves.py`` pushes and pulls a large model, ``mlflow.py`` does the
same to the peer, and ``rows.py`` turns readings into the table.
"""
