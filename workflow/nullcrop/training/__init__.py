"""Training one cell. Needs torch, torchvision (for its networks), NumPy, pandas and Pillow, and nothing
else."""
