"""What users register: tasks, workflows, launch plans, their names and descriptions."""
