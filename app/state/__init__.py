"""What the user has chosen, and the widgets that several pages choose it with."""
