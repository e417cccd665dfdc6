"""Stripe's official SDK, unchanged but for its base URL, drives the source document's invoice, payment and subscription
flows through `loopfour sandbox`, and gets what Stripe's documentation says: states, errors, pages, replays.
"""

import subprocess
import sys

import stripe

import recorder

checked = 0


def same(what, found, expected):
    global checked
    checked += 1
    if found != expected:
        sys.exit(f"{what}: {found!r}, not {expected!r}")


def refused(what, call, kind, status, code, **members):
    """Checks that a call raises the SDK's error for that kind of refusal."""
    try:
        call()
    except stripe.StripeError as error:
        same(f"{what}: class", type(error), kind)
        same(f"{what}: status and code", (error.http_status, error.code), (status, code))
        for name, value in members.items():
            same(f"{what}: {name}", getattr(error, name, None) or getattr(error.error, name, None), value)
        return
    sys.exit(f"{what}: it was not refused")


def invoices(v1):
    page = v1.customers.list({"email": "ada@example.com", "limit": 1})
    same("nobody yet", (page.data, page.has_more), ([], False))
    customer = v1.customers.create({"email": "ada@example.com", "name": "Ada", "metadata": {"source": "sdk"}})
    found = v1.customers.list({"email": "ada@example.com"}).data
    same("found by email", [one.id for one in found], [customer.id])
    same("metadata", found[0].metadata["source"], "sdk")
    invoice = v1.invoices.create(
        {"customer": customer.id, "auto_advance": False, "collection_method": "send_invoice", "days_until_due": 30}
    )
    same("a new invoice", (invoice.status, invoice.amount_due, invoice.number), ("draft", 0, None))
    item = v1.invoice_items.create(
        {"customer": customer.id, "invoice": invoice.id, "amount": 9900, "currency": "usd", "description": "Work"}
    )
    same("an item", (item.object, item.amount, item.invoice), ("invoiceitem", 9900, invoice.id))
    refused(
        "amount and quantity",
        lambda: v1.invoice_items.create({"customer": customer.id, "amount": 1, "quantity": 1, "currency": "usd"}),
        stripe.InvalidRequestError, 400, "parameters_exclusive",
    )
    draft = v1.invoices.retrieve(invoice.id)
    same("the draft's sum", (draft.amount_due, draft.lines.data[0].amount), (9900, 9900))
    final = v1.invoices.finalize_invoice(invoice.id)
    same("finalized", (final.status, final.amount_due, final.amount_remaining), ("open", 9900, 9900))
    same("it has a number and a page", (bool(final.number), final.hosted_invoice_url.startswith("https://")), (True, True))
    refused(
        "an item on an open invoice",
        lambda: v1.invoice_items.create(
            {"customer": customer.id, "invoice": invoice.id, "amount": 1, "currency": "usd"}
        ),
        stripe.InvalidRequestError, 400, "invoice_not_editable",
    )
    same("sent", v1.invoices.send_invoice(invoice.id).status, "open")
    open_ones = v1.invoices.list({"customer": customer.id, "status": "open"}).data
    same("listed as open", [one.id for one in open_ones], [invoice.id])
    same("voided", v1.invoices.void_invoice(invoice.id).status, "void")
    same("nothing is open", v1.invoices.list({"customer": customer.id, "status": "open"}).data, [])
    v1.customers.delete(customer.id)
    same("a deleted customer", v1.customers.retrieve(customer.id).deleted, True)


def payments(v1):
    customer = v1.customers.create({"email": "pay@example.com"})
    card = {"amount": 9900, "currency": "usd", "customer": customer.id, "payment_method_types": ["card"]}
    payment = v1.payment_intents.create({**card, "metadata": {"order_id": "7"}})
    same("a new payment", (payment.status, payment.amount), ("requires_payment_method", 9900))
    paid = v1.payment_intents.confirm(payment.id, {"payment_method": "pm_card_visa"})
    same("paid", (paid.status, paid.amount_received), ("succeeded", 9900))
    full = v1.payment_intents.retrieve(payment.id, {"expand": ["latest_charge.balance_transaction"]})
    transaction = full.latest_charge.balance_transaction
    same("its transaction", (transaction.type, transaction.amount), ("charge", 9900))
    listed = v1.balance_transactions.list({"type": "charge"}).data
    same("in the balance", listed[0].id, transaction.id)
    same("the balance", v1.balance.retrieve().object, "balance")
    refused(
        "a paid one cannot be canceled", lambda: v1.payment_intents.cancel(payment.id),
        stripe.InvalidRequestError, 400, "payment_intent_unexpected_state",
    )

    manual = v1.payment_intents.create(
        {**card, "capture_method": "manual", "confirm": True, "payment_method": "pm_card_visa"}
    )
    same("authorised", (manual.status, manual.amount_capturable), ("requires_capture", 9900))
    captured = v1.payment_intents.capture(manual.id, {"amount_to_capture": 5000})
    same("captured in part", (captured.status, captured.amount_received), ("succeeded", 5000))

    declined = v1.payment_intents.create(card)
    refused(
        "a decline",
        lambda: v1.payment_intents.confirm(
            declined.id, {"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"}
        ),
        stripe.CardError, 402, "card_declined", decline_code="insufficient_funds",
    )
    same("after a decline", v1.payment_intents.retrieve(declined.id).status, "requires_payment_method")
    asked = v1.payment_intents.confirm(
        declined.id, {"payment_method": "pm_card_authenticationRequired", "return_url": "https://example.com/done"}
    )
    same("3-D Secure", (asked.status, bool(asked.next_action)), ("requires_action", True))
    canceled = v1.payment_intents.cancel(declined.id, {"cancellation_reason": "requested_by_customer"})
    same("canceled", (canceled.status, canceled.cancellation_reason), ("canceled", "requested_by_customer"))
    ours = [one.id for one in v1.payment_intents.list({"customer": customer.id}).data]
    same("newest first", ours, [declined.id, manual.id, payment.id])


def subscriptions(v1):
    customer = v1.customers.create({"email": "sub@example.com"})
    product = v1.products.create({"name": "Plan"})

    def price(amount):
        monthly = {"product": product.id, "currency": "usd", "unit_amount": amount, "recurring": {"interval": "month"}}
        return v1.prices.create(monthly)

    small, large = price(2900), price(4900)
    trial = v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": small.id}], "trial_period_days": 14, "metadata": {"plan": "small"}}
    )
    same("a trial", (trial.status, trial["items"].data[0].price.id), ("trialing", small.id))
    method = v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    active = v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": small.id}], "default_payment_method": method.id}
    )
    item = active["items"].data[0]
    same("active", (active.status, item.current_period_end > item.current_period_start), ("active", True))
    first = v1.invoices.retrieve(active.latest_invoice)
    same("its first invoice", (first.status, first.amount_paid), ("paid", 2900))
    same("which names it", first.parent.subscription_details.subscription, active.id)
    changed = v1.subscriptions.update(
        active.id, {"items": [{"id": item.id, "price": large.id}], "proration_behavior": "create_prorations"}
    )
    same("changed", [one.price.id for one in changed["items"].data], [large.id])
    last = v1.subscriptions.update(active.id, {"cancel_at_period_end": True})
    same("ends with its period", (last.status, last.cancel_at_period_end), ("active", True))
    listed = v1.subscriptions.list({"customer": customer.id, "status": "active"}).data
    same("listed as active", [one.id for one in listed], [active.id])
    canceled = v1.subscriptions.cancel(active.id, {"invoice_now": True, "prorate": True})
    same("canceled", canceled.status, "canceled")
    refused(
        "canceled twice", lambda: v1.subscriptions.cancel(active.id),
        stripe.InvalidRequestError, 404, "resource_missing",
    )
    same("read after its end", v1.subscriptions.retrieve(active.id).status, "canceled")
    left = v1.subscriptions.list({"customer": customer.id}).data
    same("a list without status has no canceled ones", [one.id for one in left], [trial.id])


def protocol(client, base):
    v1 = client.v1
    for number in range(25):
        v1.customers.create({"email": "page@example.com", "metadata": {"number": str(number)}})
    pages = v1.customers.list({"email": "page@example.com", "limit": 10}).auto_paging_iter()
    numbers = [one.metadata["number"] for one in pages]
    same("three pages, newest first", numbers, [str(number) for number in reversed(range(25))])

    def once(email="once@example.com"):
        return v1.customers.create({"email": email}, {"idempotency_key": "key-1"})

    first, second = once(), once()
    same("the same key", first.id, second.id)
    same("is replayed", second.last_response.headers.get("Idempotent-Replayed"), "true")
    refused("the same key for another", lambda: once("other@example.com"), stripe.IdempotencyError, 400, None)
    refused(
        "an unknown id", lambda: v1.customers.retrieve("cus_nobody"),
        stripe.InvalidRequestError, 404, "resource_missing", param="id",
    )
    refused(
        "an unknown parameter", lambda: v1.payment_intents.list({"status": "succeeded"}),
        stripe.InvalidRequestError, 400, "parameter_unknown", param="status",
    )
    refused(
        "a wrong key", lambda: connect(base, "nonsense").v1.balance.retrieve(), stripe.AuthenticationError, 401, None
    )
    same("the version", first.last_response.headers.get("Stripe-Version"), recorder.VERSION)


class Counting(stripe.HTTPClient):
    """The SDK's own client; only counts."""

    name = "counting"

    def __init__(self):
        super().__init__()
        self.inner = stripe.RequestsClient()
        self.count = 0

    def request(self, *arguments, **named):
        self.count += 1
        return self.inner.request(*arguments, **named)

    def close(self):
        self.inner.close()


counting = Counting()


def connect(base, key):
    return stripe.StripeClient(key, base_addresses={"api": base}, max_network_retries=0, http_client=counting)


def main():
    sandbox = subprocess.Popen(
        [recorder.LOOPFOUR, "sandbox", "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        base = sandbox.stdout.readline().removeprefix("listening on ").strip()
        client = connect(base, "sk_test_sdk")
        invoices(client.v1)
        payments(client.v1)
        subscriptions(client.v1)
        protocol(client, base)
    finally:
        sandbox.kill()
        sandbox.wait()
    print(f"requests of the official SDK {stripe.VERSION} that the sandbox answered: {counting.count}, {checked} facts compared")


main()
