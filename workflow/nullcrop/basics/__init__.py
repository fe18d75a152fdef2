"""What every room uses: errors, files, progress, threads, imports."""
