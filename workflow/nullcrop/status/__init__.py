"""What is done, running, failed or stale, what it cost, how long the rest takes: one answer for all."""
