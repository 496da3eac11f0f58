"""Local logits, and the evidence that defences make of them."""
