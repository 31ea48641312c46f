"""The store: the only place with SQL. Histories, findings, leads, decisions, dead letters, offsets, the log."""
