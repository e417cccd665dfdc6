//! Random ids of Stripe's form: a prefix, then letters and digits.

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CAPITALS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A fresh id, like `fresh("cus_", 14)`.
pub(crate) fn fresh(prefix: &str, length: usize) -> String {
    pick(prefix, length, LETTERS)
}

/// A fresh prefix of invoice numbers: eight capitals and digits.
pub(crate) fn invoice_prefix() -> String {
    pick("", 8, CAPITALS)
}

fn pick(prefix: &str, length: usize, letters: &[u8]) -> String {
    let mut bytes = vec![0_u8; length];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    let picked = bytes.iter().map(|byte| char::from(letters[usize::from(*byte) % letters.len()]));
    prefix.chars().chain(picked).collect()
}
