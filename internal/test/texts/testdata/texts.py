"""Prints the texts of the refusals in Python files: path and text, separated by a tab."""
import ast
import sys


def constant(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return constant(node.left) + constant(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return constant(node.left)
    return "…"


for path in sys.argv[1:]:
    with open(path) as f:
        tree = ast.parse(f.read())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("Refused", "problem"):
            for one in node.args[1:3] + [k.value for k in node.keywords if k.arg == "hint"]:
                text = constant(one).replace("\t", " ").replace("\n", " ⏎ ")
                if text.strip("… %s:"):
                    print(path, text, sep="\t")
