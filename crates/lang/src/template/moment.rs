//! Functions of points in time.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::ast::Function;
use super::evaluate::{Failure, shown};
use super::functions::wrong;
use crate::value::Value;

/// `date(x, format, zone)`.
pub(super) fn date(value: &Value, format: Option<&Value>, zone: Option<&Value>) -> Result<Value, Failure> {
    let text = |value: &Value, what: &str| match value.as_text() {
        Some(text) => Ok(text.to_owned()),
        None => Err(Failure::new(format!("`date` takes {what} as text, not {}", shown(value)))),
    };
    let format = format.map_or_else(|| Ok("%Y-%m-%d".to_owned()), |format| text(format, "a format"))?;
    let zone = zone.map_or_else(|| Ok("UTC".to_owned()), |zone| text(zone, "a time zone"))?;
    let moment = moment(Function::Date, value)?;
    let zone = TimeZone::get(&zone).map_err(|_| {
        Failure::new(format!("there is no time zone `{zone}`")).hint("use a name such as `Europe/Berlin`")
    })?;
    let written = strtime::format(&format, &moment.to_zoned(zone));
    written
        .map(Value::from)
        .map_err(|_| Failure::new(format!("`date` cannot write the format {}", shown(&Value::from(format)))))
}

/// `addDays(x, n)`.
pub(super) fn add_days(value: &Value, days: &Value) -> Result<Value, Failure> {
    let Value::Integer(count) = days else {
        return Err(Failure::new(format!("`addDays` takes a whole number of days, not {}", shown(days))));
    };
    let moment = moment(Function::AddDays, value)?;
    let later = count.checked_mul(24).and_then(|hours| {
        let hours = (hours.abs() < 200_000_000).then(|| SignedDuration::from_hours(hours))?;
        moment.checked_add(hours).ok()
    });
    let later =
        later.ok_or_else(|| Failure::new(format!("the result is out of range: {} days", shown(days))))?;
    Ok(Value::from(format!("{later:.3}")))
}

/// An ISO time, with or without an offset (then UTC), or Unix seconds.
fn moment(function: Function, value: &Value) -> Result<Timestamp, Failure> {
    let moment = match value {
        Value::Integer(seconds) => Timestamp::from_second(*seconds).ok(),
        Value::Text(text) => text.parse().ok().or_else(|| {
            let local: DateTime = text.parse().ok()?;
            local.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
        }),
        Value::Null | Value::Boolean(_) | Value::Decimal(_) | Value::Array(_) | Value::Object(_) => None,
    };
    moment.ok_or_else(|| wrong(function, "an ISO time or Unix seconds", value))
}
