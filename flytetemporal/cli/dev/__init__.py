"""The development stack: its processes and its state folder."""
