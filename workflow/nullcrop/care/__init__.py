"""What a machine lacks for a run, and what of a run's own files may go."""
