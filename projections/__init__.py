"""Read models: what customers' files say, laid out for reading.

Two kinds. Inline views (`profile`, `identifiers`) are written in the transaction of the write itself. All others
follow the sealed log by position (`runner`). Plaintext lives here and only here; every table can be rebuilt from
the evidence. Modules that only read serve the API and are async; what writes is sync.
"""
