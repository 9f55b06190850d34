"""Rows that are written in the transaction of what they report, and delivered later."""
