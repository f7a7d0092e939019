//! Followers of builds for tests: each writes down which entries it was given. It fails while the table is not there.

use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement, Value};

use super::{Follower, Following, Wakers};
use crate::{
    contract::RoomId,
    db::{Db, Transaction},
    error::Result,
    log::{Log, read::LogRow},
    tasks::Tasks,
};

/// How many of them there are.
const WANTED: &str = "PARLOUR_TEST_JOURNALS";

/// Names of journals, and of their tables.
const NAMES: [&str; 2] = ["journal_one", "journal_two"];

pub(crate) struct Journal<const N: usize>;

impl<const N: usize> Follower for Journal<N> {
    const NAME: &'static str = NAMES[N];
    const TASK: &'static str = NAMES[N];
    const LINGER: Duration = Duration::from_millis(10);

    async fn apply(&self, tx: &Transaction, room: RoomId, rows: &[LogRow]) -> Result<()> {
        let backend = tx.get_database_backend();
        let values: Vec<String> = rows.iter().map(|row| format!("('{}', {})", room.0, row.seq().0)).collect();
        let sql = format!("INSERT INTO {} (room_id, seq) VALUES {}", Self::NAME, values.join(", "));
        tx.execute_raw(Statement::from_sql_and_values(backend, sql, Vec::<Value>::new())).await?;
        Ok(())
    }
}

/// The journals that the environment asks for.
pub(crate) struct Journals(Option<Following<Journal<0>>>, Option<Following<Journal<1>>>);

pub(crate) fn wanted(wakers: &mut Wakers) -> Journals {
    let count = std::env::var(WANTED).ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    let one = (count > 0).then(|| Following::new(Journal::<0>, wakers));
    Journals(one, (count > 1).then(|| Following::new(Journal::<1>, wakers)))
}

impl Journals {
    pub(crate) fn start(self, db: &Db, log: &Log, tasks: &mut Tasks) {
        if let Some(one) = self.0 {
            one.start(db.clone(), log.clone(), tasks);
        }
        if let Some(two) = self.1 {
            two.start(db.clone(), log.clone(), tasks);
        }
    }
}
