//! Refusals in Stripe's shape.
//! The wording of the messages is our own; clients go by status, type, code and parameter.

use serde_json::{Map, Value, json};

/// Whether an answer is kept under its idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// The call reached its operation, so the answer is final.
    Saved,
    /// The call was refused before its operation began; the key stays free.
    Unsaved,
}

/// Whether what the call did before it was refused stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Undone,
    /// A payment was tried: the failed charge and the state it left are there.
    Stands,
}

/// What a refusal about a payment tells besides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Payment {
    pub(crate) decline_code: Option<&'static str>,
    /// The id of the failed charge.
    pub(crate) charge: Option<String>,
    /// The payment intent as it is now; null where none is told.
    pub(crate) intent: Value,
    /// The payment method that was tried; null where none is told.
    pub(crate) method: Value,
}

/// A refused call.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) code: Option<&'static str>,
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) keep: Keep,
    pub(crate) effect: Effect,
    pub(crate) payment: Option<Box<Payment>>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Failure {
    fn new(status: u16, kind: &'static str, message: impl Into<String>, keep: Keep) -> Failure {
        Failure {
            status,
            kind,
            code: None,
            message: message.into(),
            param: None,
            keep,
            effect: Effect::Undone,
            payment: None,
            headers: Vec::new(),
        }
    }

    /// A call that is wrong in itself, found before its operation begins.
    pub(crate) fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(400, "invalid_request_error", message, Keep::Unsaved)
    }

    /// A call that the state of the account forbids.
    pub(crate) fn refused(message: impl Into<String>) -> Failure {
        Failure::new(400, "invalid_request_error", message, Keep::Saved)
    }

    /// No key, or not a key of this place.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Failure {
        Failure::new(401, "invalid_request_error", message, Keep::Unsaved)
    }

    /// A card was not charged.
    pub(crate) fn card(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(402, "card_error", message, Keep::Saved).code(code)
    }

    /// The key may not do this, or has no access to the account that the call names.
    pub(crate) fn forbidden(message: impl Into<String>) -> Failure {
        Failure::new(403, "invalid_request_error", message, Keep::Unsaved)
    }

    /// A key that was used for another call.
    pub(crate) fn key_reused(message: impl Into<String>) -> Failure {
        Failure::new(400, "idempotency_error", message, Keep::Unsaved)
    }

    /// A key whose first call has not been answered yet.
    pub(crate) fn key_in_use() -> Failure {
        let message = "another request with the same idempotency key is still being worked on";
        Failure::new(409, "idempotency_error", message, Keep::Unsaved).code("idempotency_key_in_use")
    }

    /// Too many calls.
    pub(crate) fn rate_limited() -> Failure {
        let message = "too many requests came too quickly; slow down and try again";
        Failure::new(429, "invalid_request_error", message, Keep::Unsaved).code("rate_limit")
    }

    /// One object that another call is changing.
    pub(crate) fn lock_timeout() -> Failure {
        let message = "the object is being changed by another request; try again";
        Failure::new(429, "invalid_request_error", message, Keep::Unsaved).code("lock_timeout")
    }

    /// A conflict with another call that has nothing to do with keys.
    pub(crate) fn busy() -> Failure {
        let message = "the request conflicts with another request; try again";
        Failure::new(409, "invalid_request_error", message, Keep::Unsaved)
    }

    /// The fault of the other side.
    pub(crate) fn internal(message: impl Into<String>, keep: Keep) -> Failure {
        Failure::new(500, "api_error", message, keep)
    }

    /// A body that is larger than any form.
    pub(crate) fn too_large(limit: usize) -> Failure {
        let message = format!("the request body is larger than {limit} bytes");
        Failure::new(413, "invalid_request_error", message, Keep::Unsaved)
    }

    /// A URL that is no operation's.
    pub(crate) fn unknown_url(method: &str, path: &str) -> Failure {
        let message =
            format!("Unrecognized request URL ({method}: {path}); see the list of operations for its name");
        Failure::new(404, "invalid_request_error", message, Keep::Unsaved)
    }

    /// An operation, a parameter or an expansion that Stripe has and the sandbox has not.
    pub(crate) fn unsupported(what: impl std::fmt::Display) -> Failure {
        Failure::invalid(format!("the sandbox does not know {what} yet")).code("sandbox_unsupported")
    }

    /// An id in the path that names nothing.
    pub(crate) fn not_found(object: &str, id: &str, param: &str) -> Failure {
        Failure { status: 404, ..Failure::missing_reference(object, id, param) }
    }

    /// An id in a parameter that names nothing.
    pub(crate) fn missing_reference(object: &str, id: &str, param: &str) -> Failure {
        Failure::refused(format!("No such {object}: '{id}'")).code("resource_missing").param(param)
    }

    /// A parameter that has to be there.
    pub(crate) fn missing(param: &str) -> Failure {
        Failure::invalid(format!("Missing required param: {param}.")).code("parameter_missing").param(param)
    }

    /// Parameters that shut each other out.
    pub(crate) fn exclusive(names: &[&str]) -> Failure {
        let message = format!("You may only specify one of these parameters: {}.", names.join(", "));
        Failure::invalid(message)
            .code("parameters_exclusive")
            .param(names.first().copied().unwrap_or_default())
    }

    pub(crate) fn code(mut self, code: &'static str) -> Failure {
        self.code = Some(code);
        self
    }

    pub(crate) fn param(mut self, param: impl Into<String>) -> Failure {
        self.param = Some(param.into());
        self
    }

    /// A number outside of its bounds, both of which are taken.
    pub(crate) fn out_of_bounds(param: &str, least: i64, most: i64) -> Failure {
        let message = format!("This value must be between {least} and {most}.");
        Failure::invalid(message).code("parameter_invalid_integer").param(param)
    }

    pub(crate) fn payment(mut self, payment: Payment) -> Failure {
        self.payment = Some(Box::new(payment));
        self
    }

    /// What the call did until here stands all the same.
    pub(crate) fn stands(mut self) -> Failure {
        self.effect = Effect::Stands;
        self
    }

    /// The JSON body.
    pub(crate) fn body(&self) -> Value {
        let mut error = Map::new();
        if let Some(code) = self.code {
            error.insert("code".to_owned(), json!(code));
            if code != "sandbox_unsupported" {
                let page = code.replace('_', "-");
                error.insert(
                    "doc_url".to_owned(),
                    json!(format!("https://stripe.com/docs/error-codes/{page}")),
                );
            }
        }
        error.insert("message".to_owned(), json!(self.message));
        if let Some(param) = &self.param {
            error.insert("param".to_owned(), json!(param));
        }
        if let Some(payment) = &self.payment {
            let Payment { decline_code, charge, intent, method } = &**payment;
            let told = [
                ("decline_code", json!(decline_code)),
                ("charge", json!(charge)),
                ("payment_intent", intent.clone()),
                ("payment_method", method.clone()),
            ];
            let told = told.into_iter().filter(|(_, value)| !value.is_null());
            error.extend(told.map(|(name, value)| (name.to_owned(), value)));
        }
        error.insert("type".to_owned(), json!(self.kind));
        json!({ "error": error })
    }
}
