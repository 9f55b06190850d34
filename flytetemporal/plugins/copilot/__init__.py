"""What brings the inputs of a raw container into files, and its files into outputs."""
