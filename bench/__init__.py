"""The yardsticks: what the service costs, always as a ratio to a baseline measured in the same run on the same machine.

`python -m bench` (or `make bench`) runs them; docs/performance.md explains the method and shows the latest figures.
"""
