"""Commands that read executions, and start them again."""
