//! The few rules of Stripe that no table can say. Small on purpose: what a row can hold belongs into the catalogue.

use loopfour_lang::Value;
use loopfour_lang::catalog::Action;

use super::value::integer;

/// `createInvoiceItem` with `amount` and `quantity`: Stripe refuses the two together (spec 12.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineItem {
    /// Goes out as it is written.
    AsWritten,
    /// One piece: the amount alone says it.
    Amount,
    /// Several: the amount is that of one.
    UnitAmount,
}

impl LineItem {
    /// What to do, from the values of this action that are not left out.
    pub(super) fn of<'a>(action: &Action, given: impl Fn(&str) -> Option<&'a Value>) -> LineItem {
        let applies = action.operation == "PostInvoiceitems" && given("amount").is_some();
        match given("quantity").filter(|_| applies && given("unit_amount_decimal").is_none()).map(integer) {
            None => LineItem::AsWritten,
            Some(Some(1)) => LineItem::Amount,
            Some(_) => LineItem::UnitAmount,
        }
    }

    /// The name under which a parameter goes out; none: it stays here.
    pub(super) fn wire(self, wire: &str) -> Option<&str> {
        match (self, wire) {
            (LineItem::Amount, "quantity") => None,
            (LineItem::UnitAmount, "amount") => Some("unit_amount_decimal"),
            (LineItem::AsWritten | LineItem::Amount | LineItem::UnitAmount, _) => Some(wire),
        }
    }
}
