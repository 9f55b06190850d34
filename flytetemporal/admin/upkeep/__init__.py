"""The durable loops of the control worker: their rounds, the record of these, and what operators see of it."""
