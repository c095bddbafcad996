"""The commands behind ``mlkit``: files to arrays, answers to files and text."""
