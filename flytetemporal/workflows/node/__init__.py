"""A node of an execution, and what the nodes of one execution share."""
