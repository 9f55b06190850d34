"""Send the events of executions as CloudEvents: what waits, in which form, and to which sink."""
