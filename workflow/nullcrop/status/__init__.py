"""What is done, running, failed, damaged or stale, what it cost, how long the rest takes: one answer for all who ask."""
