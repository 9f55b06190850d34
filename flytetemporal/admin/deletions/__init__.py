"""Delete a project with everything in it: the request, what refuses it, and the rounds that carry it out."""
