"""Commands for sign-in."""
