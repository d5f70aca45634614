"""What is measured, a file each: `measure(repeats)` gives the measurements and what the goals say of them."""
