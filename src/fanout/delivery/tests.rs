use std::cell::Cell;

use futures_util::future::join_all;

use super::*;
use crate::error::Error;

/// Fails on a build that asks for ever what only a bug explains.
#[tokio::test]
async fn only_what_may_pass_is_asked_again() {
    let away = || Error::Unavailable("the database is away".into());
    let failures: [(fn() -> Error, usize); 5] = [
        (away, 2),
        (|| Error::IN_DOUBT, 2),
        (|| Error::internal("a statement that does not fit"), 1),
        (|| Error::ROOM_NOT_FOUND, 1),
        (|| Error::DRAINING, 1),
    ];
    join_all(failures.map(|(failure, times)| async move {
        let asked = Cell::new(0);
        let answer = until_answered(
            || true,
            async || {
                asked.set(asked.get() + 1);
                if asked.get() == 1 { Err(failure()) } else { Ok(()) }
            },
        )
        .await;
        assert_eq!((asked.get(), answer.is_some()), (times, times == 2), "{}", failure());
    }))
    .await;
}
