"""One test, or more, for each of the known ways in which inserting code into code objects went wrong for others.

The number in the name of a test is that of the entry in the project's list of traps. All of them run on every version,
also where the trap is one of a few versions only: there they assert that the program does the same.
"""
