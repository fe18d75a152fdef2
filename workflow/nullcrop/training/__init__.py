"""Training one cell. Needs torch, torchvision, NumPy, pandas and Pillow, and nothing else."""
