"""Projects, domains and matchable attributes, and the settings that executions take from them."""
