"""How long a test waits for what must come.

It is reached by a hang alone, on the busiest machine too: nothing is measured by it. How fast things are is measured
by ``make bench`` and ``make faults``.
"""

PATIENCE = 300.0
"""Seconds."""
