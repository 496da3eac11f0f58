"""The defences: values with `predict` and `certify` on arrays (local logits, pixels or two-mask predictions)."""
