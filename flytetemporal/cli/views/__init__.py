"""What thin commands read of admin, and how they show it to people."""
