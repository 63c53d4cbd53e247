"""Page "People": who may sign in, who has which role in the project, and the keys of other programs."""
