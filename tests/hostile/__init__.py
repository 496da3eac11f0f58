"""Files and links made to do harm: what they are, the cage in which they are tried, and a fuzzer that varies them."""
