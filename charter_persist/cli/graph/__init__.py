"""The supersession graph as a drawing: what it is made of, where everything stands, and the three forms it takes."""
