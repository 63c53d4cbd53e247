"""What the API and the pages have in common as servers: security headers, limits of request bodies, where a request came from."""
