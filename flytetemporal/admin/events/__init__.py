"""Apply reported events to the rows of executions, nodes and tasks."""
