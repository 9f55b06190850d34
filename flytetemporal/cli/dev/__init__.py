"""The development stack: its servers as one process tree, its state in one folder."""
