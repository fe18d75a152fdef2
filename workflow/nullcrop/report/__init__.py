"""The report people read: one self-contained page from whatever results there are."""
