"""What is true about customers: events, facts over two times, and the decisions that record them.

Pure: no input or output, no clock, no identifiers made here. Times, identifiers and the acting person come
in as arguments, so every rule can be tested by a story: given events, when a command, then events or an error.
"""
