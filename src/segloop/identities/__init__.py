"""The identity store: whose CT it is, encrypted, behind a database role of its own. Everything else knows pseudonyms."""
