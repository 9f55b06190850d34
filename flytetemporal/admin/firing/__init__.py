"""Launch the executions of triggers: webhooks that arrive, and the delivery of recorded events."""
