//! Pages of lists: by time of creation and id, so that a page stays right while rows come and go.

use loopfour_engine::Timestamp;
use uuid::Uuid;

/// Which end of a list comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest first.
    #[default]
    Descending,
    /// The oldest first.
    Ascending,
}

/// The last row of a page; the next page begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// When the row was created.
    pub created_at: Timestamp,
    /// Its id without prefix.
    pub id: Uuid,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Which end comes first.
    pub order: Order,
    /// The last row of the page before.
    pub after: Option<Cursor>,
    /// How many rows at most.
    pub limit: u32,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl Span {
    /// The row to begin after, and the comparison and direction of SQL that go on from there.
    pub(crate) fn sql(&self) -> (Cursor, &'static str, &'static str) {
        let (end, comparison, direction) = match self.order {
            Order::Descending => (Cursor { created_at: Timestamp(i64::MAX), id: Uuid::max() }, "<", "DESC"),
            Order::Ascending => (Cursor { created_at: Timestamp(i64::MIN), id: Uuid::nil() }, ">", "ASC"),
        };
        (self.after.unwrap_or(end), comparison, direction)
    }

    /// One more than the page holds: whether it comes tells whether there is another page.
    pub(crate) fn wanted(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Makes the page of rows that were looked for in several places, each in order and as many as wanted.
    pub(crate) fn page<T>(&self, mut rows: Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
        match self.order {
            Order::Descending => rows.sort_by_key(|row| std::cmp::Reverse(cursor(row))),
            Order::Ascending => rows.sort_by_key(&cursor),
        }
        self.ordered(rows, cursor)
    }

    /// Makes the page of rows that are in order, as many as wanted.
    pub(crate) fn ordered<T>(&self, mut rows: Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
        let limit = self.limit as usize;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().map(&cursor).filter(|_| has_more);
        Page { rows, next }
    }
}
