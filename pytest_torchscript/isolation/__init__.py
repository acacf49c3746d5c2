"""A process of its own for the checks of a model: started, asked, watched and ended from outside. Knows no torch."""
