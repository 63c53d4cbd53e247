"""Cases: what people's masks may teach."""
