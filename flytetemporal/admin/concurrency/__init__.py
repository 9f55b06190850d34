"""How many executions of a launch plan run at once, and which of them wait."""
