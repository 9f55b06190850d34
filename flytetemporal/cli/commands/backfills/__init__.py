"""``flytetemporal backfill`` and its sub-commands."""
