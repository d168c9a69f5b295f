"""Keeps a CPU busy in the interpreter, or in C below it.

    python3 busy_python.py python | json | sort [SECONDS]

    python   outer → middle → leaf, through calls that the interpreter makes in C (map)

It ends itself after SECONDS, 60 when not given.
"""

import json
import sys
import time

TEXT = json.dumps([{"number": i, "text": "row %d" % i} for i in range(2000)])


def leaf(count):
    value = 1
    for i in range(count):
        value = (value * 31 + i) & 0xFFFFFFFF
    return value


def middle(count):
    return sum(map(leaf, [count, count]))


def outer(depth):
    return outer(depth - 1) + 1 if depth > 0 else middle(1000)


WAYS = {
    "python": lambda: outer(10),
    "json": lambda: len(json.loads(TEXT)),
    "sort": lambda: sorted(range(5000), key=lambda i: i * 7919 % 5003)[0],
}

end = time.time() + float(sys.argv[2] if len(sys.argv) > 2 else 60)
while time.time() < end:
    WAYS[sys.argv[1]]()
