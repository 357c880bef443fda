"""What an evidence pack holds besides evidence: its README, and the verifier that a stranger runs."""
