"""The sample customers: histories written for this project, told to the service as its users would tell them.

Each numbered .toml file is one customer: steps in order, each a request of one member of the staff (staff.toml).
`{-40d}` is the day 40 days ago, `{id:x}` an id of the file's own, `{event:x}` the event of the step named x.
"""
