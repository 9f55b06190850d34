"""The parts shared by the plugins whose attempts run on the worker's own machine."""
