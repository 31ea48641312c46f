"""Names of folders with signs that mean something to a shell, to a file of settings, to an address or to Java."""

ODD_NAMES = ("a b", 'say "x"', "o'clock", "back\\slash", "大冶, 2026", "100%", "$HOME", "a;b#c?d=e&f", "a:b", "\\u0041")
