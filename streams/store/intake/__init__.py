"""What became of what was received: ledger, dead letters, reconciliation, imports. Open first: ledger.py."""
