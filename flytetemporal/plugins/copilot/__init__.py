"""Write the inputs of a raw container to files, and make outputs of the files that it leaves."""
