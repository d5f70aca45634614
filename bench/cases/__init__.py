"""What is measured, a file each: `goals(measured)`, and without hosts `measure(repeats)`; with hosts `bench.play` does."""
