"""What the triggers of launch plans say: their annotation, the checks of it, and that rows follow active versions."""
