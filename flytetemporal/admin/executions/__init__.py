"""Executions of workflows, nodes and tasks: launch, read, abort."""
