"""The worklist: each volume of a project with where it stands."""
