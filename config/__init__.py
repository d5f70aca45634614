"""What an operator may ask for in a stack file, and whether it can work."""
