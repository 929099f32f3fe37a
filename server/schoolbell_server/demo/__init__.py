"""`make run`: a school day of a district goes out to phones, everything in the path real."""
