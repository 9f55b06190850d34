"""The sweeper, which repairs executions, and the operations that explain or force them."""
