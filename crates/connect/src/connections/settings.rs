//! What a person may set about a connection.

use loopfour_engine::connections::{ConnectionError, SettingsChange};

use crate::pace::PaceConfig;
use crate::stripe::API_VERSION;

/// Checks the settings that are set, each apart.
///
/// # Errors
/// One of them cannot be.
pub(super) fn check(change: &SettingsChange) -> Result<(), ConnectionError> {
    let SettingsChange { stripe_account, api_version, pace, events: _ } = change;
    if let Some(Some(account)) = stripe_account
        && !is_account(account)
    {
        let message = format!("{:?} is no account: give its id, `acct_…`", shown(account));
        return Err(refused("stripeAccount", message));
    }
    if let Some(Some(version)) = api_version
        && version != API_VERSION
    {
        let message =
            format!("there are no tables of the version {:?}; there are of: {API_VERSION}", shown(version));
        return Err(refused("apiVersion", message));
    }
    if let Some(Err(message)) = pace.iter().flatten().next().map(|pace| pace.parse::<PaceConfig>()) {
        return Err(refused("pace", message));
    }
    Ok(())
}

/// A setting is not taken.
pub(super) fn refused(setting: &str, message: String) -> ConnectionError {
    ConnectionError::Invalid { field: format!("settings.{setting}"), message }
}

fn is_account(text: &str) -> bool {
    let rest = text.strip_prefix("acct_").unwrap_or_default();
    (1..=250).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
