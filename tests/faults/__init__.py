"""Faults on purpose, and proof that nothing is lost or doubled: ``make faults`` (docs/faults.md)."""
