"""What answers look like, for the OpenAPI document and for whoever reads it.

Answers are made as bytes, not through these models; every answer of every scenario test is held against them.
"""
