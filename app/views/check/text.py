"""The words of the page that checks a certificate file."""

INTRODUCTION = (
    "A certificate file, as *Certificate as a file* on other pages or the command `prove` writes it, holds the "
    "evidence of a photo and both bounds of every window, in exact numbers. Your browser computes each bound again, "
    "by code that shares no line with the program that made the file. **Nothing is sent anywhere**: it works without "
    "a network, once this page is there."
)

OUTCOMES = """
- **Proved**: every bound follows from the evidence, and every window is certified.
- **Refused**: the field that is named is not what follows from the evidence, or the verdict is not *certified*: then
  nothing is proved, although all else may be so.
- **Unreadable**: no certificate file. A zip of them (`prove` of a folder) is unpacked first, or checked by
  `python -m pg_core check proofs.zip`.
"""

NOT_SAID = """
The level is *arithmetic*: from the evidence to the verdict. The file names what it takes on trust, above all that this
network says this of this photo. `python -m pg_core check photo.proof.json --photo photo.jpg` runs the network again
and compares (level *inference*). Who wrote the file, nothing here tells (*provenance*).
"""

ELSEWHERE = (
    "Whoever does not trust this page either takes `checker.py`, which is one short file, gives the same answers, and "
    "needs Python alone: `python -I checker.py photo.proof.json --photo photo.jpg`. The format is described in "
    "`pg_core/proofs/format.md`."
)
