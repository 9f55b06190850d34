"""What plugins share whose attempts run on the worker's own machine."""
