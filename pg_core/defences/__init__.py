"""The defences: values with `predict` and `certify` on local logits."""
