//! Read marks and profiles that changed on other nodes: in no log, but with a time.

use std::time::Duration;

use parking_lot::Mutex;

use crate::{app::App, bus::Notice, chat, contract::Timestamp, error::Result};

/// How long before the last look something may have been changed that was not seen then: a transaction takes its time before it
/// commits, and the clocks of nodes differ. Shorter than what was told is remembered.
const MARGIN: Duration = Duration::from_secs(60);

/// When changes were looked for last, by the database's clock.
#[derive(Debug, Default)]
pub(super) struct Missed {
    marks: Mutex<Option<Timestamp>>,
    profiles: Mutex<Option<Timestamp>>,
}

/// Tells of read marks that moved, and that nobody here was told of.
pub(super) async fn look_for_marks(app: &App) -> Result<()> {
    let now = app.db.time().await?;
    let last = app.watch.missed.marks.lock().unwrap_or(now);
    let delivery = app.delivery();
    for moved in chat::receipt::moved_since(&app.chat, last.minus(MARGIN)).await? {
        let (room_id, user_id, last_read_seq) = (moved.room_id, moved.user_id, moved.seq);
        let hears = delivery.who_misses_mark(&moved);
        let Some(hears) = hears else { continue };
        let message_ids = chat::receipt::passed(&app.chat, user_id, room_id, moved.from_seq, last_read_seq).await?;
        let notice = Notice::Read { room_id, user_id, message_ids, last_read_seq, read_at: moved.read_at, hears };
        app.bus.publish_here(notice).await;
    }
    *app.watch.missed.marks.lock() = Some(now);
    Ok(())
}

/// Tells of profiles that changed. What is told already is told once.
pub(super) async fn look_for_profiles(app: &App) -> Result<()> {
    let now = app.db.time().await?;
    let last = app.watch.missed.profiles.lock().unwrap_or(now);
    for (user_id, at) in chat::profile::changed_since(&app.chat, last.minus(MARGIN)).await? {
        if !app.news.knows_change(user_id, at) {
            let rooms = chat::profile::rooms(&app.chat, user_id).await?;
            app.bus.publish_here(Notice::Profile { user_id, rooms: rooms.into() }).await;
        }
    }
    *app.watch.missed.profiles.lock() = Some(now);
    Ok(())
}
