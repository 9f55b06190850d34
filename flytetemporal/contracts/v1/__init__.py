"""Generated from protos/flytetemporal/v1."""
