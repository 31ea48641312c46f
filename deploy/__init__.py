"""How it runs: command line, settings, embedded servers, the simulated county, images and manifests.

Imports everything. Open first: runtime.py, where a process is put together.
"""
