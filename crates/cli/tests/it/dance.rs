//! Connecting an account from beginning to end: the binary beside a Nango that speaks the contract and an offline Stripe
//! that knows whose each token is.

mod attempts;
mod keys;
mod oauth;
mod secrets;
mod stage;
mod trouble;
