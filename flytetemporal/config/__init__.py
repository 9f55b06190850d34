"""Settings: one frozen class a process part, under one ``Settings``."""
