"""A photo, a network and a defence together: what is predicted, and what is proved."""
