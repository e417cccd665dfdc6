"""What LoopFour sends for each call of calls.json is what Stripe's official SDK sends for the same call.

Both are recorded and compared: method, path, decoded query and form, and the headers that mean something.
"""

import sys

import stripe

import recorder

HEADERS = ["stripe-version", "content-type"]


def theirs(call):
    """The request that the SDK sends."""
    listener = recorder.Recorder()
    client = stripe.StripeClient(
        "sk_test_recorded", base_addresses={"api": listener.base}, max_network_retries=0
    )
    method = client.v1
    for name in call["sdk"].split("."):
        method = getattr(method, name)
    method(*call.get("ids", []), params=call["params"])
    (request,) = listener.close()
    return request


def main():
    differences = 0
    for call, our in zip(recorder.CALLS, recorder.ours()):
        their = theirs(call)
        pairs = [(our.decoded(), their.decoded())]
        pairs += [(our.headers.get(name), their.headers.get(name)) for name in HEADERS if our.body or name != "content-type"]
        for ours, sdks in pairs:
            if ours != sdks:
                differences += 1
                print(f"{call['name']}:\n  LoopFour {ours}\n  SDK      {sdks}")
        if our.method == "POST" and not our.headers.get("idempotency-key"):
            differences += 1
            print(f"{call['name']}: no idempotency key")
    actions = {call["action"] for call in recorder.CALLS}
    print(f"requests compared with the official SDK {stripe.VERSION}: {len(recorder.CALLS)}, of {len(actions)} actions")
    return 1 if differences else 0


sys.exit(main())
