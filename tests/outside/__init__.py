"""What comes in from outside: files, texts, requests, servers of others. Read, or refused in one sentence."""
