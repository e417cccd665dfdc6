//! The functions of the language. A null first argument gives null and a wrong type is an error, except where a function
//! says otherwise.

use rust_decimal::{Decimal, RoundingStrategy};

use super::ast::Function;
use super::evaluate::{Failure, count, limited, member, shown};
use super::{arithmetic, compare, moment, money};
use crate::value::Value;

type Result = std::result::Result<Value, Failure>;

/// Calls a function. The parser saw to the number of arguments; one that is missing counts as null.
pub(super) fn call(function: Function, arguments: &[Value]) -> Result {
    let result = compute(function, arguments)?;
    limited(result.as_text().map_or(0, str::len))?;
    Ok(result)
}

fn compute(function: Function, arguments: &[Value]) -> Result {
    let null = Value::Null;
    let (first, second) = (arguments.first().unwrap_or(&null), arguments.get(1));
    let takes_null = matches!(function, Function::Length | Function::Json | Function::Default);
    if *first == Value::Null && !takes_null {
        return Ok(Value::Null);
    }
    match function {
        Function::Length => length(first),
        Function::Json => Ok(Value::from(first.to_string())),
        Function::Default => {
            let absent = *first == Value::Null || first.as_text() == Some("");
            Ok(if absent { second.unwrap_or(&null).clone() } else { first.clone() })
        }
        Function::Number => number(first),
        Function::Upper => Ok(Value::from(text(function, first)?.to_uppercase())),
        Function::Lower => Ok(Value::from(text(function, first)?.to_lowercase())),
        Function::Trim => Ok(Value::from(text(function, first)?.trim())),
        Function::Split => split(text(function, first)?, text(function, second.unwrap_or(&null))?),
        Function::Join => join(array(function, first)?, second.map_or(Ok(","), |by| text(function, by))?),
        Function::First => Ok(array(function, first)?.first().cloned().unwrap_or_default()),
        Function::Last => Ok(array(function, first)?.last().cloned().unwrap_or_default()),
        Function::Map => {
            let (items, path) = (array(function, first)?, text(function, second.unwrap_or(&null))?);
            Ok(items.iter().map(|item| at_path(item, path)).collect::<Vec<_>>().into())
        }
        Function::Sum => sum(array(function, first)?, second.map(|path| text(function, path)).transpose()?),
        Function::Round => rounded(function, first, second, RoundingStrategy::MidpointAwayFromZero),
        Function::Floor => rounded(function, first, None, RoundingStrategy::ToNegativeInfinity),
        Function::Ceil => rounded(function, first, None, RoundingStrategy::ToPositiveInfinity),
        Function::Date => moment::date(first, second, arguments.get(2)),
        Function::AddDays => moment::add_days(first, second.unwrap_or(&null)),
        Function::Format => money::format(first, second.unwrap_or(&null)),
    }
}

fn length(value: &Value) -> Result {
    let length = match value {
        Value::Text(text) => count(text.chars().count()),
        Value::Array(items) => count(items.len()),
        Value::Object(members) => count(members.len()),
        Value::Null => Some(Value::Integer(0)),
        Value::Boolean(_) | Value::Integer(_) | Value::Decimal(_) => None,
    };
    length.ok_or_else(|| wrong(Function::Length, "text, an array or an object", value))
}

fn number(value: &Value) -> Result {
    match value {
        Value::Integer(_) | Value::Decimal(_) => Ok(value.clone()),
        Value::Text(text) => {
            let number = compare::numeric(text).and_then(Value::from_decimal);
            number.ok_or_else(|| Failure::new(format!("`number` cannot read {} as a number", shown(value))))
        }
        Value::Null | Value::Boolean(_) | Value::Array(_) | Value::Object(_) => {
            Err(wrong(Function::Number, "numeric text or a number", value))
        }
    }
}

fn split(text: &str, separator: &str) -> Result {
    // Each part costs more than its text.
    const MOST: usize = 100_000;
    if text.len() > MOST && text.matches(separator).nth(MOST).is_some() {
        return Err(Failure::new(format!("`split` gives at most {MOST} texts")));
    }
    let parts: Vec<Value> = match separator {
        "" => text.chars().map(|character| Value::from(character.to_string())).collect(),
        separator => text.split(separator).map(Value::from).collect(),
    };
    Ok(parts.into())
}

fn join(items: &[Value], separator: &str) -> Result {
    let mut out = String::new();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(&item.to_text());
        limited(out.len())?;
    }
    Ok(Value::from(out))
}

fn sum(items: &[Value], path: Option<&str>) -> Result {
    let mut total = Value::Integer(0);
    for item in items {
        let item = path.map_or_else(|| item.clone(), |path| at_path(item, path));
        total = match arithmetic::add(&total, &item) {
            Some(Ok(total)) => total,
            Some(Err(message)) => {
                return Err(Failure::new(format!("{message}: a sum of {} items", items.len())));
            }
            None => return Err(Failure::new(format!("`sum` takes numbers, not {}", shown(&item)))),
        };
    }
    Ok(total)
}

fn rounded(function: Function, value: &Value, digits: Option<&Value>, strategy: RoundingStrategy) -> Result {
    let number: Decimal = compare::decimal(value).ok_or_else(|| wrong(function, "a number", value))?;
    let digits = match digits {
        None => 0,
        Some(Value::Integer(digits)) if (0..=28).contains(digits) => u32::try_from(*digits).unwrap_or(0),
        Some(other) => {
            return Err(Failure::new(format!("`round` takes 0 to 28 digits, not {}", shown(other))));
        }
    };
    let rounded = Value::from_decimal(number.round_dp_with_strategy(digits, strategy));
    rounded.ok_or_else(|| Failure::new(format!("the result is out of range: {}", shown(value))))
}

/// The value at a path such as `a.b[0].c`.
fn at_path(value: &Value, path: &str) -> Value {
    let steps = path.split(['.', '[', ']']).filter(|step| !step.is_empty());
    steps.fold(value.clone(), |value, step| member(&value, step))
}

fn text(function: Function, value: &Value) -> std::result::Result<&str, Failure> {
    value.as_text().ok_or_else(|| wrong(function, "text", value))
}

fn array(function: Function, value: &Value) -> std::result::Result<&[Value], Failure> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(wrong(function, "an array", other)),
    }
}

/// A failure that says what a function takes.
pub(super) fn wrong(function: Function, wanted: &str, value: &Value) -> Failure {
    Failure::new(format!("`{}` takes {wanted}, not {}", function.name(), shown(value)))
}
