"""Who acts, and the short-lived tickets that let a browser read one object."""
