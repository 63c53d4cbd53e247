"""Jobs that wait for the CT they are about."""
