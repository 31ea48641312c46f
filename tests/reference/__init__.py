"""The reference judge: every rule of docs/what-counts.md as plain loops, and people made up to stand at its edges."""
