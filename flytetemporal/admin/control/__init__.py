"""What the control plane does by itself, and what operators ask of it."""
