"""Models of every YAML file, and the grid: studies, and the cells they name."""
