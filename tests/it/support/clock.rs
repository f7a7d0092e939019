//! Deadlines: nothing here waits for ever.

use std::{future::Future, time::Duration};

use serde_json::Value;
use tokio::time;

/// How long anything may take that should be immediate, on a machine that is busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// The result of `work`, or a failure that says what did not happen.
pub(crate) async fn within<F: Future>(limit: Duration, what: &str, work: F) -> F::Output {
    match time::timeout(limit, work).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {limit:?}"),
    }
}

/// Asks about a fact outside the test until it holds. For facts that nobody announces; where there is an event, wait
/// for the event.
pub(crate) async fn eventually(limit: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let end = time::Instant::now() + limit;
    while !within(limit + SOON, what, holds()).await {
        assert!(time::Instant::now() < end, "{what}: not within {limit:?}");
        time::sleep(Duration::from_millis(20)).await;
    }
}

/// The moment that comes after this span, as the wire writes it.
pub(crate) fn rfc3339_in(span: Duration) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().expect("it is after 1970");
    entity::Timestamp(i64::try_from((now + span).as_millis()).expect("it is before the year 292 million")).to_string()
}

/// How long ago the moment was that the wire writes so; nothing if it is still to come.
pub(crate) fn age(moment: &Value) -> Duration {
    let at: entity::Timestamp = serde_json::from_value(moment.clone()).expect("a moment");
    let now = std::time::UNIX_EPOCH.elapsed().expect("it is after 1970");
    now.saturating_sub(Duration::from_millis(u64::try_from(at.0).expect("it is after 1970")))
}
