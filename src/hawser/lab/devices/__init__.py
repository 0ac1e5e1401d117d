"""What storage is made of, in virtual time: array, servers, links, paths. Each file states its fault model at its head."""
