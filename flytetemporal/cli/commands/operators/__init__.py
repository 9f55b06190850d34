"""Commands with which operators change what runs."""
