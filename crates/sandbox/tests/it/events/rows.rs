//! Calls, and the events that follow from them.

pub const CUSTOMER: &str = "customer: POST customers email=ada@example.com payment_method=pm_card_visa invoice_settings[default_payment_method]=pm_card_visa";
pub const DECLINER: &str = "customer: POST customers email=ada@example.com payment_method=pm_card_chargeCustomerFail invoice_settings[default_payment_method]=pm_card_chargeCustomerFail";
pub const PRODUCT: &str = "product: POST products name=Pro";
pub const PRICE: &str =
    "price: POST prices product={product} currency=usd unit_amount=2000 recurring[interval]=month";
pub const DRAFT: &str = "invoice: POST invoices customer={customer}";
pub const ITEM: &str = "item: POST invoiceitems customer={customer} invoice={invoice} amount=500";
pub const FINALIZE: &str = "POST invoices/{invoice}/finalize";
pub const SUBSCRIBE: &str = "subscription: POST subscriptions customer={customer} items[0][price]={price}";
pub const HELD: &str = "intent: POST payment_intents amount=900 currency=usd payment_method_types[]=card payment_method=pm_card_visa confirm=true capture_method=manual";
pub const PAID: &str = "intent: POST payment_intents amount=900 currency=usd payment_method_types[]=card payment_method=pm_card_visa confirm=true";

/// Calls that come before, the call, and the types of the events that follow from it, in order.
pub type Row<'a> = (&'a [&'a str], &'a str, &'a [&'a str]);

pub const ROWS: &[Row<'_>] = &[
    (&[], "POST customers name=Ada", &["customer.created"]),
    (&[], CUSTOMER, &["customer.created", "payment_method.attached"]),
    (&[CUSTOMER], "POST customers/{customer} name=Eve", &["customer.updated"]),
    (&[CUSTOMER], "POST customers/{customer} email=ada@example.com", &[]),
    (&[CUSTOMER], "DELETE customers/{customer}", &["customer.deleted", "payment_method.detached"]),
    (&[], PRODUCT, &["product.created"]),
    (&[PRODUCT], "POST products/{product} name=Max", &["product.updated"]),
    (&[PRODUCT], "DELETE products/{product}", &["product.deleted"]),
    (&[PRODUCT], PRICE, &["price.created", "plan.created"]),
    (&[PRODUCT], "POST prices product={product} currency=usd unit_amount=700", &["price.created"]),
    (&[PRODUCT, PRICE], "POST prices/{price} nickname=Monthly", &["price.updated", "plan.updated"]),
    (&[], "POST coupons id=ten percent_off=10 duration=once", &["coupon.created"]),
    (&["POST coupons id=ten percent_off=10 duration=once"], "POST coupons/ten name=Ten", &["coupon.updated"]),
    (&["POST coupons id=ten percent_off=10 duration=once"], "DELETE coupons/ten", &["coupon.deleted"]),
    (
        &[CUSTOMER],
        "POST payment_methods/pm_card_visa/attach customer={customer}",
        &["payment_method.attached"],
    ),
    (
        &[CUSTOMER, "method: POST payment_methods/pm_card_visa/attach customer={customer}"],
        "POST payment_methods/{method} metadata[a]=1",
        &["payment_method.updated"],
    ),
    (
        &[CUSTOMER, "method: POST payment_methods/pm_card_visa/attach customer={customer}"],
        "POST payment_methods/{method}/detach",
        &["payment_method.detached"],
    ),
    (&[CUSTOMER], DRAFT, &["invoice.created", "customer.updated"]),
    (&[CUSTOMER, DRAFT], ITEM, &["invoiceitem.created", "invoice.updated"]),
    (&[CUSTOMER, DRAFT, ITEM], "DELETE invoiceitems/{item}", &["invoice.updated", "invoiceitem.deleted"]),
    (&[CUSTOMER, DRAFT], "POST invoices/{invoice} description=x", &["invoice.updated"]),
    (&[CUSTOMER, DRAFT], "DELETE invoices/{invoice}", &["invoice.deleted"]),
    (
        &[CUSTOMER, DRAFT, ITEM],
        FINALIZE,
        &["customer.updated", "payment_intent.created", "invoice.updated", "invoice.finalized"],
    ),
    (
        &[CUSTOMER, DRAFT],
        FINALIZE,
        &[
            "customer.updated",
            "invoice.updated",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_succeeded",
        ],
    ),
    (
        &[CUSTOMER, DRAFT, ITEM, FINALIZE],
        "POST invoices/{invoice}/pay",
        &[
            "invoice.updated",
            "invoice.paid",
            "invoice.payment_succeeded",
            "charge.succeeded",
            "payment_intent.succeeded",
            "invoice_payment.paid",
        ],
    ),
    (
        &[CUSTOMER, DRAFT, ITEM, FINALIZE],
        "POST invoices/{invoice}/pay paid_out_of_band=true",
        &["payment_intent.canceled", "invoice.updated", "invoice.paid"],
    ),
    (
        &[DECLINER, DRAFT, ITEM, FINALIZE],
        "POST invoices/{invoice}/pay",
        &["invoice.updated", "invoice.payment_failed", "charge.failed", "payment_intent.payment_failed"],
    ),
    (
        &[
            "customer: POST customers email=ada@example.com",
            "method: POST payment_methods/pm_card_authenticationRequired/attach customer={customer}",
            DRAFT,
            ITEM,
            FINALIZE,
        ],
        "POST invoices/{invoice}/pay payment_method={method} off_session=false",
        &["invoice.updated", "invoice.payment_action_required", "payment_intent.requires_action"],
    ),
    (
        &[CUSTOMER, DRAFT, ITEM, FINALIZE],
        "POST invoices/{invoice}/void",
        &["payment_intent.canceled", "invoice.updated", "invoice.voided"],
    ),
    (
        &[CUSTOMER, DRAFT, ITEM, FINALIZE],
        "POST invoices/{invoice}/mark_uncollectible",
        &["invoice.updated", "invoice.marked_uncollectible"],
    ),
    (
        &[
            CUSTOMER,
            "invoice: POST invoices customer={customer} collection_method=send_invoice days_until_due=3",
            ITEM,
            FINALIZE,
        ],
        "POST invoices/{invoice}/send",
        &["invoice.sent"],
    ),
    (&[], "POST payment_intents amount=900 currency=usd", &["payment_intent.created"]),
    (&[], PAID, &["payment_intent.created", "payment_intent.succeeded", "charge.succeeded"]),
    (&[], HELD, &["payment_intent.created", "payment_intent.amount_capturable_updated", "charge.succeeded"]),
    (
        &[],
        "POST payment_intents amount=900 currency=usd payment_method_types[]=card payment_method=pm_card_chargeDeclined confirm=true",
        &["payment_intent.created", "payment_intent.payment_failed", "charge.failed"],
    ),
    (
        &[],
        "POST payment_intents amount=900 currency=usd payment_method_types[]=card payment_method=pm_card_threeDSecure2Required confirm=true",
        &["payment_intent.created", "payment_intent.requires_action"],
    ),
    (
        &[
            "intent: POST payment_intents amount=900 currency=usd payment_method_types[]=card payment_method=pm_card_threeDSecure2Required confirm=true",
        ],
        "authenticate {intent}",
        &["charge.succeeded", "payment_intent.succeeded"],
    ),
    (&[HELD], "POST payment_intents/{intent}/capture", &["charge.captured", "payment_intent.succeeded"]),
    (
        &[HELD],
        "POST payment_intents/{intent}/capture amount_to_capture=500",
        &["charge.captured", "payment_intent.succeeded"],
    ),
    (&[HELD], "POST payment_intents/{intent}/cancel", &["charge.refunded", "payment_intent.canceled"]),
    (&[HELD], "clock 700000", &["charge.expired", "payment_intent.canceled"]),
    (&[PAID], "POST refunds payment_intent={intent} amount=100", &["refund.created", "charge.refunded"]),
    (
        &[PAID, "refund: POST refunds payment_intent={intent} amount=100"],
        "POST refunds/{refund} metadata[a]=1",
        &["refund.updated", "charge.refund.updated"],
    ),
    (
        &[CUSTOMER, PRODUCT, PRICE],
        SUBSCRIBE,
        &[
            "customer.subscription.created",
            "customer.updated",
            "invoice.created",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_succeeded",
            "payment_intent.created",
            "payment_intent.succeeded",
            "invoice_payment.paid",
            "charge.succeeded",
        ],
    ),
    (
        &[DECLINER, PRODUCT, PRICE],
        SUBSCRIBE,
        &[
            "customer.subscription.created",
            "customer.updated",
            "invoice.created",
            "invoice.finalized",
            "invoice.payment_failed",
            "payment_intent.created",
            "payment_intent.payment_failed",
            "charge.failed",
        ],
    ),
    (
        &[CUSTOMER, PRODUCT, PRICE, SUBSCRIBE],
        "POST subscriptions/{subscription} items[0][id]={subscription_item} items[0][quantity]=3 proration_behavior=none",
        &["customer.subscription.updated"],
    ),
    (
        &[CUSTOMER, PRODUCT, PRICE, SUBSCRIBE],
        "POST subscriptions/{subscription} cancel_at_period_end=true",
        &["customer.subscription.updated"],
    ),
    (
        &[
            CUSTOMER,
            PRODUCT,
            "price: POST prices product={product} currency=usd unit_amount=2000 recurring[interval]=week",
            SUBSCRIBE,
            "POST subscriptions/{subscription} cancel_at_period_end=true",
        ],
        "clock 604800",
        &["customer.subscription.deleted"],
    ),
    (
        &[CUSTOMER, PRODUCT, PRICE, SUBSCRIBE],
        "DELETE subscriptions/{subscription}",
        &["customer.subscription.deleted"],
    ),
    (
        &[CUSTOMER, PRODUCT, PRICE, "POST coupons id=ten percent_off=10 duration=forever"],
        "POST subscriptions customer={customer} items[0][price]={price} trial_period_days=2 discounts[0][coupon]=ten",
        &[
            "customer.subscription.created",
            "customer.subscription.trial_will_end",
            "customer.discount.created",
            "coupon.updated",
            "customer.updated",
            "invoice.created",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_succeeded",
        ],
    ),
    (
        &[
            "customer: POST customers email=ada@example.com",
            PRODUCT,
            PRICE,
            "POST subscriptions customer={customer} items[0][price]={price} trial_period_days=2 trial_settings[end_behavior][missing_payment_method]=pause",
        ],
        "clock 172800",
        &["customer.subscription.updated", "customer.subscription.paused"],
    ),
    (
        &[CUSTOMER, "invoice: POST invoices customer={customer} auto_advance=true", ITEM],
        "clock 3600",
        &[
            "invoice.updated",
            "invoice.finalized",
            "invoice.paid",
            "invoice.payment_succeeded",
            "customer.updated",
            "payment_intent.created",
            "payment_intent.succeeded",
            "invoice_payment.paid",
            "charge.succeeded",
        ],
    ),
];
