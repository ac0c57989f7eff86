"""The worker side of a pool of Nursery, for Python 3.

    from nursery_worker import serve
    serve(lambda request: request["a"] + request["b"])

Answers each request by what the function returns, as NDJSON: over stdin and stdout, or with descriptor=3 over the pair of sockets of a
pool with the transport "socketpair". What the program prints goes to stderr, so that it is no answer. With batch=True the function gets the
list of a pool with `batch`, and returns a list of as many answers. An exception ends the worker: the pool tries the request again, or
tells of it.
"""

import json
import os
import sys


def serve(handle, descriptor=None, batch=False):
    if descriptor is None:
        requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
    else:
        requests, answers = os.fdopen(os.dup(descriptor), "rb"), os.fdopen(os.dup(descriptor), "wb")
    for line in requests:
        if not line.endswith(b"\n"):
            break  # Whoever asked is gone, in the middle of a request.
        request = json.loads(line)
        answer = handle(request)
        if batch and len(answer) != len(request):
            raise ValueError(f"{len(answer)} answers to {len(request)} requests")
        answers.write(json.dumps(answer, allow_nan=False).encode() + b"\n")
        answers.flush()
