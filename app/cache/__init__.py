"""The only caching: names, content hashes and frozen values in, results of pg_core out."""
