"""How it runs: commands, settings, embedded PostgreSQL, the console's assets, and the simulated county."""
