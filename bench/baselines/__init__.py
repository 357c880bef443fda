"""What ours is held against: each one page of plain, well-tuned code, as a good engineer would write it without us."""
