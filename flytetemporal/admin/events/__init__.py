"""Events that workers report, applied to rows."""
