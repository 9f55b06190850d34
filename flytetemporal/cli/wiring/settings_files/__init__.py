"""Settings from YAML files: read within bounds, checked key by key, and merged."""
