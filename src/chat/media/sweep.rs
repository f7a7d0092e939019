//! Removes files: those that nothing shows any more or that their owner deleted, uploads that were never completed, and whatever only one
//! of the store and the database has.
//!
//! Each node does it, and each step may be done twice. The objects of a file are removed before its row: so a failure in between is
//! repaired later.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use futures_util::TryStreamExt;
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, sea_query::Expr};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::{super::room_log::RoomLog, withdraw};
use crate::{
    chat::attachment,
    clock,
    contract::{MediaId, MediaStatus, RoomId, Timestamp},
    db::Db,
    error::Result,
    media::{Files, object::Key},
    tasks::Tasks,
};
use entity::{attachment as attachments, media, room, user};

/// Rows that one step handles.
const BATCH: u64 = 100;

/// Failures in a row after which the store counts as down until the next sweep.
const FAILURES: usize = 3;

/// How many objects without a row are removed. Rows are written before their objects and removed after them, so there are next to none:
/// many of them mean that another database uses this bucket as well.
const FOREIGN: usize = 16;

/// A handle to the sweeper.
#[derive(Clone, Debug)]
pub struct Sweeper {
    nudged: Arc<Notify>,
}

impl Sweeper {
    /// Wakes its task.
    #[must_use]
    pub(in crate::chat) fn new(db: Db, files: Files, log: RoomLog, tasks: &mut Tasks) -> Self {
        let nudged = Arc::new(Notify::new());
        let sweep = Sweep { db, files, log };
        tasks.add("media_sweeper", sweep.run(Arc::clone(&nudged)));
        Self { nudged }
    }

    /// Wakes the sweeper: there is something to remove.
    pub(crate) fn nudge(&self) {
        self.nudged.notify_one();
    }
}

struct Sweep {
    db: Db,
    files: Files,
    log: RoomLog,
}

impl Sweep {
    async fn run(self, nudged: Arc<Notify>) {
        let rules = self.files.rules();
        let (pause, compare) = (Duration::from_secs(rules.sweep_seconds), Duration::from_secs(rules.compare_seconds));
        // What the last process left is old enough then.
        let mut next = Instant::now() + compare.min(Duration::from_secs(rules.pending_seconds));
        loop {
            self.sweep().await;
            if Instant::now() >= next {
                next = Instant::now() + compare;
                if let Err(error) = self.compare().await {
                    error.record();
                }
            }
            tokio::select! {
                () = nudged.notified() => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Runs each step, even if an earlier one failed.
    async fn sweep(&self) {
        let steps = [
            self.let_go_of_rooms().await,
            self.finish_withdrawals().await,
            self.give_up_what_nobody_uses().await,
            self.remove().await,
        ];
        steps.into_iter().filter_map(Result::err).for_each(|error| error.record());
    }

    /// Files whose deletion was interrupted by a crash or an outage.
    async fn finish_withdrawals(&self) -> Result<()> {
        withdraw::finish(&self.db, &self.log, Condition::all()).await
    }

    fn ago(&self, seconds: u64) -> Timestamp {
        Timestamp(clock::now().0.saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)))
    }

    /// Files of rooms that were deleted, and the pictures of these rooms.
    async fn let_go_of_rooms(&self) -> Result<()> {
        let gone = || {
            room::Entity::find().select_only().column(room::Column::Id).filter(room::Column::DeletedAt.is_not_null())
        };
        loop {
            let rooms: Vec<RoomId> = attachments::Entity::find()
                .select_only()
                .column(attachments::Column::RoomId)
                .filter(attachments::Column::RoomId.in_subquery(gone().into_query()))
                .limit(BATCH)
                .into_tuple()
                .all(self.db.read())
                .await?;
            let Some(room) = rooms.first() else { break };
            let tx = self.db.begin().await?;
            let some: Vec<i64> = attachments::Entity::find()
                .select_only()
                .column(attachments::Column::Seq)
                .filter(attachments::Column::RoomId.eq(*room))
                .order_by_asc(attachments::Column::Seq)
                .limit(BATCH)
                .into_tuple()
                .all(&tx)
                .await?;
            let last = some.last().copied().unwrap_or_default();
            let which =
                Condition::all().add(attachments::Column::RoomId.eq(*room)).add(attachments::Column::Seq.lte(last));
            attachment::take(&tx, which).await?;
            tx.commit().await?;
        }
        let pictures: Vec<(RoomId, MediaId)> = gone()
            .column(room::Column::AvatarMediaId)
            .filter(room::Column::AvatarMediaId.is_not_null())
            .limit(BATCH)
            .into_tuple()
            .all(self.db.read())
            .await?;
        for (room, picture) in pictures {
            let tx = self.db.begin().await?;
            room::Entity::update_many()
                .col_expr(room::Column::AvatarMediaId, Expr::value(None::<MediaId>))
                .filter(room::Column::Id.eq(room))
                .exec(&tx)
                .await?;
            attachment::release(&tx, [picture].into()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Uploads that were never completed, and files that nothing has shown for long.
    async fn give_up_what_nobody_uses(&self) -> Result<()> {
        let rules = self.files.rules();
        let never_whole = Condition::all()
            .add(media::Column::Status.eq(MediaStatus::Pending))
            .add(media::Column::CreatedAt.lt(self.ago(rules.pending_seconds)));
        let never_shown = Condition::all()
            .add(media::Column::Status.eq(MediaStatus::Ready))
            .add(media::Column::CreatedAt.lt(self.ago(rules.unused_seconds)))
            .add(attachment::unshown());
        let is_unused = Condition::any().add(never_whole).add(never_shown);
        let unused: Vec<MediaId> = media::Entity::find()
            .select_only()
            .column(media::Column::Id)
            .filter(is_unused.clone())
            .into_tuple()
            .all(self.db.read())
            .await?;
        if unused.is_empty() {
            return Ok(());
        }
        for some in unused.chunks(100) {
            let tx = self.db.begin().await?;
            // One may have been completed since.
            attachment::release_if(&tx, some.iter().copied().collect(), is_unused.clone()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Removes the files that are marked for removal. One that the store cannot remove does not delay the others.
    async fn remove(&self) -> Result<()> {
        let (mut last, mut failures) = (None, 0);
        loop {
            let leaving: Vec<MediaId> = media::Entity::find()
                .select_only()
                .column(media::Column::Id)
                .filter(media::Column::Status.eq(MediaStatus::Leaving))
                .filter(Condition::all().add_option(last.map(|last: MediaId| media::Column::Id.gt(last))))
                .order_by_asc(media::Column::Id)
                .limit(BATCH)
                .into_tuple()
                .all(self.db.read())
                .await?;
            last = leaving.last().copied();
            for id in &leaving {
                match self.remove_objects(*id).await {
                    Ok(()) => {
                        failures = 0;
                        media::Entity::delete_by_id(*id).exec(self.db.writer()).await?;
                    }
                    Err(error) => {
                        failures += 1;
                        if failures == FAILURES {
                            return Err(error);
                        }
                        error.record();
                    }
                }
            }
            if (leaving.len() as u64) < BATCH {
                return Ok(());
            }
        }
    }

    async fn remove_objects(&self, id: MediaId) -> Result<()> {
        for key in [Key::Incoming(id), Key::Thumbnail(id), Key::File(id)] {
            self.files.store.delete(key).await?;
        }
        Ok(())
    }

    /// Compares the store with the database: objects that no row knows are removed, and rows whose objects are gone.
    async fn compare(&self) -> Result<()> {
        let old = self.ago(self.files.rules().pending_seconds);
        let unfinished = self.files.store.remove_halves(old).await?;
        let mut listed = self.files.store.list();
        let (mut present, mut unknown, mut some) = (BTreeSet::new(), Vec::new(), Vec::new());
        loop {
            let next = listed.try_next().await?;
            let is_last = next.is_none();
            if let Some((key, at)) = next {
                if let Key::File(id) = key {
                    present.insert(id);
                }
                some.push((key, at));
            }
            if is_last || some.len() as u64 == BATCH {
                unknown.extend(self.unknown(&std::mem::take(&mut some), old).await?);
            }
            if is_last {
                break;
            }
        }
        let lost = self.lost(&present, old).await?;
        if unfinished > 0 || !unknown.is_empty() || !lost.is_empty() {
            let (unknown, lost) = (unknown.len(), lost.len());
            tracing::warn!(unfinished, unknown, lost, "the store and the database did not agree about some files");
        }
        let foreign = unknown.iter().filter(|key| matches!(key, Key::File(_))).count();
        if foreign > FOREIGN.max(present.len() / 10) {
            tracing::error!(
                foreign,
                found = present.len(),
                "the bucket has files of another database; nothing is removed"
            );
            return Ok(());
        }
        for key in unknown {
            self.files.store.delete(key).await?;
        }
        // More are missing than present: this is another bucket, or an empty disk, so nothing is removed.
        if lost.len() > present.len() {
            tracing::error!(lost = lost.len(), found = present.len(), "most files are missing; nothing is removed");
            return Ok(());
        }
        for id in lost {
            let tx = self.db.begin().await?;
            attachment::take(&tx, Condition::all().add(attachments::Column::MediaId.eq(id))).await?;
            user::Entity::update_many()
                .col_expr(user::Column::AvatarMediaId, Expr::value(None::<MediaId>))
                .filter(user::Column::AvatarMediaId.eq(id))
                .exec(&tx)
                .await?;
            room::Entity::update_many()
                .col_expr(room::Column::AvatarMediaId, Expr::value(None::<MediaId>))
                .filter(room::Column::AvatarMediaId.eq(id))
                .exec(&tx)
                .await?;
            attachment::release(&tx, [id].into()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Those of some objects that no row wants, and that are older than any upload takes.
    async fn unknown(&self, some: &[(Key, Timestamp)], old: Timestamp) -> Result<Vec<Key>> {
        let ids: BTreeSet<MediaId> = some.iter().map(|(key, _)| key.id()).collect();
        let rows = media::Entity::find().filter(media::Column::Id.is_in(ids)).all(self.db.read()).await?;
        let known: HashMap<MediaId, MediaStatus> = rows.into_iter().map(|row| (row.id, row.status)).collect();
        let belongs = |key: &Key| match (key, known.get(&key.id())) {
            (Key::Trial(_), _) | (_, None) => false,
            (Key::Incoming(_), Some(status)) => *status != MediaStatus::Ready,
            (_, Some(_)) => true,
        };
        Ok(some.iter().filter(|(key, at)| *at < old && !belongs(key)).map(|(key, _)| *key).collect())
    }

    /// Files that should be in the store and are not. Each is asked for by itself: a list may be of a moment ago.
    async fn lost(&self, present: &BTreeSet<MediaId>, old: Timestamp) -> Result<Vec<MediaId>> {
        let ready: Vec<MediaId> = media::Entity::find()
            .select_only()
            .column(media::Column::Id)
            .filter(media::Column::Status.eq(MediaStatus::Ready))
            .filter(media::Column::CreatedAt.lt(old))
            .into_tuple()
            .all(self.db.read())
            .await?;
        let mut lost = Vec::new();
        for id in ready.into_iter().filter(|id| !present.contains(id)) {
            if self.files.store.size(Key::File(id)).await?.is_none() {
                lost.push(id);
            }
        }
        Ok(lost)
    }
}
