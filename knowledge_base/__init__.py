"""The nouns and the facts: events, findings, days, dated catalogues. Imports nothing of ours."""
