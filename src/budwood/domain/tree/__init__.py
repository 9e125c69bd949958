"""The ledger as a Merkle tree: hashes, tiles, proofs, leaves, signed notes and audit bundles. All pure.

Read ``hashes.py`` first, then ``tiles.py`` and ``proofs.py``; ``leaf.py`` says what is hashed, ``checkpoint.py`` what
is signed. The formats are RFC 6962 (tree), C2SP tlog-tiles (storage), signed-note and tlog-checkpoint (signatures).
"""
