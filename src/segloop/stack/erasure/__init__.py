"""`./segloop erase`: find one patient everywhere, and remove them; what models learned from them is said and stays."""
