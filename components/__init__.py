"""One ComponentResource a file, and beside it the text that it renders."""
