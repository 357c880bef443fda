"""Questions about all customers at once, as known at one position and as valid at one instant."""
