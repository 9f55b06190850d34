"""What a node of an execution is, and what the nodes of one execution share."""
