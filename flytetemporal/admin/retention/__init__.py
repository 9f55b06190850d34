"""Remove executions by age or count, and what operators delete, with everything that belongs to it."""
