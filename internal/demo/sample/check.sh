python -B -m hello
