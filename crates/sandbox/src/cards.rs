//! The test cards: by payment method id, token or number, and what comes of charging each.
//! There are no other cards in the sandbox.

/// What comes of charging a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charging {
    Pays,
    /// Refused with a code and a decline code; so is keeping the card for a customer.
    Declines(&'static str, &'static str),
    /// Can be kept for a customer, but is refused when it is charged.
    DeclinesWhenCharged,
    /// The customer must authenticate each payment, so none goes through without them.
    Authenticates,
}

/// A test card.
#[derive(Debug)]
pub(crate) struct Card {
    /// What follows `pm_card_` and `tok_` in its ids.
    pub(crate) name: &'static str,
    pub(crate) number: &'static str,
    pub(crate) brand: &'static str,
    pub(crate) charging: Charging,
}

const DECLINED: &str = "card_declined";

#[rustfmt::skip]
const CARDS: &[Card] = &[
    Card { name: "visa", number: "4242424242424242", brand: "visa", charging: Charging::Pays },
    Card { name: "mastercard", number: "5555555555554444", brand: "mastercard", charging: Charging::Pays },
    Card { name: "amex", number: "378282246310005", brand: "amex", charging: Charging::Pays },
    Card {
        name: "chargeDeclined", number: "4000000000000002", brand: "visa",
        charging: Charging::Declines(DECLINED, "generic_decline"),
    },
    Card {
        name: "visa_chargeDeclined", number: "4000000000000002", brand: "visa",
        charging: Charging::Declines(DECLINED, "generic_decline"),
    },
    Card {
        name: "visa_chargeDeclinedInsufficientFunds", number: "4000000000009995", brand: "visa",
        charging: Charging::Declines(DECLINED, "insufficient_funds"),
    },
    Card {
        name: "chargeDeclinedExpiredCard", number: "4000000000000069", brand: "visa",
        charging: Charging::Declines("expired_card", "expired_card"),
    },
    Card {
        name: "chargeDeclinedIncorrectCvc", number: "4000000000000127", brand: "visa",
        charging: Charging::Declines("incorrect_cvc", "incorrect_cvc"),
    },
    Card {
        name: "chargeDeclinedProcessingError", number: "4000000000000119", brand: "visa",
        charging: Charging::Declines("processing_error", "processing_error"),
    },
    Card {
        name: "chargeCustomerFail", number: "4000000000000341", brand: "visa",
        charging: Charging::DeclinesWhenCharged,
    },
    Card {
        name: "authenticationRequired", number: "4000002760003184", brand: "visa",
        charging: Charging::Authenticates,
    },
    Card {
        name: "threeDSecure2Required", number: "4000000000003220", brand: "visa",
        charging: Charging::Authenticates,
    },
];

impl Card {
    pub(crate) fn named(name: &str) -> Option<&'static Card> {
        CARDS.iter().find(|card| card.name == name)
    }

    /// By the id of the payment method that stands for it.
    pub(crate) fn by_id(id: &str) -> Option<&'static Card> {
        Card::named(id.strip_prefix("pm_card_")?)
    }

    pub(crate) fn by_token(token: &str) -> Option<&'static Card> {
        Card::named(token.strip_prefix("tok_")?)
    }

    pub(crate) fn by_number(number: &str) -> Option<&'static Card> {
        CARDS.iter().find(|card| card.number == number)
    }

    pub(crate) fn by_last4(last4: &str) -> Option<&'static Card> {
        CARDS.iter().find(|card| card.last4() == last4)
    }

    pub(crate) fn last4(&self) -> &'static str {
        &self.number[self.number.len() - 4..]
    }

    /// The code and decline code with which keeping the card for a customer is refused.
    pub(crate) fn refused(&self) -> Option<(&'static str, &'static str)> {
        match self.charging {
            Charging::Declines(code, decline_code) => Some((code, decline_code)),
            Charging::Pays | Charging::DeclinesWhenCharged | Charging::Authenticates => None,
        }
    }
}

/// What is said of a refused charge.
pub(crate) fn complaint(code: &str) -> &'static str {
    match code {
        "expired_card" => "the card has expired",
        "incorrect_cvc" => "the card's security code is incorrect",
        "processing_error" => "an error came up while the card was processed; try again in a while",
        "authentication_required" => "the card needs the customer to authenticate this payment",
        _ => "the card was declined",
    }
}
