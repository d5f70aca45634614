"""What is measured, a file each: `goals(measured)`, and `measure(repeats)` unless `bench.play` measures it on hosts."""
