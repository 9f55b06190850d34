"""Settings: a frozen class per part of the process, combined in ``Settings``."""
