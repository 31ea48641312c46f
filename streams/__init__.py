"""What moves and where it rests: the judging pipeline, the bus, importers, and the store (the only SQL)."""
