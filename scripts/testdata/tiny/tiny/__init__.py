def main():
    print("tiny 1.0")
