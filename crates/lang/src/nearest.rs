//! The nearest right name for a wrong one.

/// The candidate that is nearest to `name`, if one is near enough to be what was meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong: Vec<char> = name.to_lowercase().chars().take(LONGEST).collect();
    let allowed = match wrong.len() {
        0..=2 => 1,
        3..=6 => 2,
        _ => 3,
    };
    let measured = candidates.into_iter().map(|candidate| {
        let right: Vec<char> = candidate.to_lowercase().chars().take(LONGEST).collect();
        (distance(&wrong, &right), candidate)
    });
    // A name is not meant by a word with which it shares hardly a letter.
    let near = measured.filter(|(distance, candidate)| {
        *distance <= allowed && *distance < wrong.len().max(candidate.chars().count())
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

/// Longer names are compared by so many characters of theirs.
const LONGEST: usize = 100;

/// How many letters must be changed, added, left out or exchanged with their neighbour.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, a) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, b) in right.iter().enumerate() {
            let changed = above[column] + usize::from(a != b);
            let mut best = changed.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *a == right[column - 1] && left[row - 1] == *b {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[right.len()]
}

/// A text in a message, cut where it is long.
pub fn shorten(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A character in a message: itself, unless nobody could see it.
pub fn visible(character: char) -> String {
    match character {
        '\'' | '"' | '\\' => character.to_string(),
        other => other.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[track_caller]
    fn check(wrong: &str, expected: Option<&str>) {
        let names =
            ["customerId", "autoAdvance", "email", "name", "stripe.createInvoice", "stripe.createCustomer"];
        assert_eq!(nearest(wrong, names), expected);
    }

    #[test]
    fn near_names_are_offered() {
        check("customerID", Some("customerId"));
        check("costumerId", Some("customerId"));
        check("emial", Some("email"));
        check("stripe.createInvoce", Some("stripe.createInvoice"));
        check("nmae", Some("name"));
        check("phone", None);
        check("x", None);
        check("", None);
    }
}
