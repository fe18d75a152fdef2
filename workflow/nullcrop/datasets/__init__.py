"""Where images come from: sources, their tables, and samples.csv."""
