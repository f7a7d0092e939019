//! Parts of statements that every layer above writes alike.

use sea_orm::sea_query::LikeExpr;

/// The items, the last one repeated until their number is a power of two: the statement cache is keyed by the text of a
/// statement, and so holds a few of them instead of one for every number.
pub fn padded<T: Clone>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.into_iter().collect();
    if let Some(last) = items.last().cloned() {
        items.resize(items.len().next_power_of_two(), last);
    }
    items
}

/// What matches every text that contains this one, whose characters mean nothing but themselves.
#[must_use]
pub fn containing(text: &str) -> LikeExpr {
    LikeExpr::new(format!("%{}%", escaped(text))).escape('\\')
}

/// What matches every text that begins with this one.
#[must_use]
pub fn starting(text: &str) -> LikeExpr {
    LikeExpr::new(format!("{}%", escaped(text))).escape('\\')
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_its_text() {
        assert_eq!(escaped(r"50%_\"), r"50\%\_\\");
    }

    #[test]
    fn a_list_is_as_long_as_a_power_of_two() {
        assert_eq!(padded([1, 2, 3]), [1, 2, 3, 3]);
        assert_eq!(padded(Vec::<i32>::new()), Vec::<i32>::new());
    }
}
