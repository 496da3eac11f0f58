"""PatchGuard (Xiang et al., USENIX Security 2021): provable robustness against adversarial patches."""
