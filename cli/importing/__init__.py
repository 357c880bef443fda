"""Importing the change log of another system: read lines, translate them, send them in order, report.

change_log  ->  mapping, commands  ->  sender  ->  report
"""
