"""Projects, and the settings that executions inherit from them."""
