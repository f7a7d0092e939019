//! The schema: which migrations are applied, and how they are applied and reverted.

use std::collections::BTreeMap;

use migration::{MigrationStatus, Migrator, MigratorTrait, seaql_migrations};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, EntityTrait, Statement};

use super::Db;

/// Names the lock under which PostgreSQL is migrated: "parlour" in ASCII.
const MIGRATION_LOCK: i64 = 0x70_61_72_6c_6f_75_72;

/// What reverting migrations destroys.
#[derive(Debug)]
pub struct Loss {
    /// The migrations, latest first.
    pub migrations: Vec<String>,
    /// Tables that go, and how many rows each has.
    pub tables: Vec<(String, u64)>,
    /// `table.column` of columns that go from tables that stay.
    pub columns: Vec<String>,
}

/// Why migrations are not reverted.
#[derive(Debug, thiserror::Error)]
pub enum DownError {
    #[error("only {0} migrations are applied")]
    TooMany(usize),
    #[error("{0} running nodes use the database; stop them first")]
    InUse(i64),
    #[error(transparent)]
    Database(#[from] DbErr),
}

/// Tables with their columns and the number of their rows.
type Tables = BTreeMap<String, (Vec<String>, u64)>;

impl Db {
    /// How many migrations are not applied yet; those of a newer program, which this one does not know, count for nothing.
    /// Changes nothing, and does not wait for writers.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pending_migrations(&self) -> Result<usize, DbErr> {
        match Migrator::get_pending_migrations_read_only(&self.read).await {
            // Some are unknown here.
            Err(DbErr::Custom(_)) => {}
            pending => return Ok(pending?.len()),
        }
        let applied = self.applied_migrations().await?;
        Ok(Migrator::migrations().iter().filter(|one| !applied.iter().any(|name| name == one.name())).count())
    }

    /// Applied migrations that this program does not know: a newer one made them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn unknown_migrations(&self) -> Result<Vec<String>, DbErr> {
        match Migrator::get_pending_migrations_read_only(&self.read).await {
            Err(DbErr::Custom(_)) => {}
            known => return known.map(|_| Vec::new()),
        }
        let known = Migrator::migrations();
        let mut applied = self.applied_migrations().await?;
        applied.retain(|name| !known.iter().any(|one| one.name() == name));
        Ok(applied)
    }

    async fn applied_migrations(&self) -> Result<Vec<String>, DbErr> {
        let applied = seaql_migrations::Entity::find().all(&self.read).await?;
        Ok(applied.into_iter().map(|one| one.version).collect())
    }

    /// Every migration, oldest first, and whether it is applied.
    ///
    /// # Errors
    /// When the database does not answer, or has migrations that this program does not know.
    pub async fn migrations(&self) -> Result<Vec<(String, bool)>, DbErr> {
        let all = Migrator::get_migration_with_status_read_only(&self.read).await?;
        Ok(all.iter().map(|one| (one.name().to_owned(), one.status() == MigrationStatus::Applied)).collect())
    }

    /// Every migration, for a database that does not exist yet.
    #[must_use]
    pub fn migrations_of_none() -> Vec<(String, bool)> {
        Migrator::migrations().iter().map(|one| (one.name().to_owned(), false)).collect()
    }

    /// Applies what is pending, all or nothing.
    ///
    /// # Errors
    /// When a migration fails.
    pub async fn migrate_up(&self) -> Result<(), DbErr> {
        let transaction = self.begin_migration().await?;
        Migrator::up(&transaction, None).await?;
        transaction.commit().await
    }

    /// Reverts the latest `steps` migrations, all or nothing, and answers what that destroyed. Unless `is_agreed`, it answers what it would
    /// destroy and changes nothing.
    ///
    /// # Errors
    /// When fewer are applied, a node uses the database, or a migration fails.
    pub async fn migrate_down(&self, steps: u32, is_agreed: bool) -> Result<Loss, DownError> {
        let mut migrations: Vec<String> =
            self.migrations().await?.into_iter().filter(|(_, is_applied)| *is_applied).map(|(name, _)| name).collect();
        let kept = usize::try_from(steps).ok().and_then(|steps| migrations.len().checked_sub(steps));
        let Some(kept) = kept else { return Err(DownError::TooMany(migrations.len())) };
        let mut migrations = migrations.split_off(kept);
        migrations.reverse();

        let tx = self.begin_migration().await?;
        let before = tables(&tx).await?;
        match running_nodes(&tx, &before).await? {
            0 => {}
            nodes => return Err(DownError::InUse(nodes)),
        }
        // What it destroys is seen by doing it.
        Migrator::down(&tx, Some(steps)).await?;
        let after = tables(&tx).await?;
        if is_agreed {
            tx.commit().await?;
        } else {
            tx.rollback().await?;
        }
        Ok(loss(migrations, &before, &after))
    }

    /// One node migrates, the others wait. SQLite's transaction locks the file by itself; sea-orm takes no lock on
    /// PostgreSQL.
    async fn begin_migration(&self) -> Result<DatabaseTransaction, DbErr> {
        let transaction = self.begin_unlimited().await?;
        if self.backend() == DbBackend::Postgres {
            // Building an index, or waiting for another node to do it, takes as long as it takes.
            transaction.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
            transaction.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await?;
        }
        Ok(transaction)
    }
}

fn loss(migrations: Vec<String>, before: &Tables, after: &Tables) -> Loss {
    let mut loss = Loss { migrations, tables: Vec::new(), columns: Vec::new() };
    for (table, (columns, rows)) in before {
        match after.get(table) {
            None => loss.tables.push((table.clone(), *rows)),
            Some((left, _)) => {
                let gone = columns.iter().filter(|column| !left.contains(column));
                loss.columns.extend(gone.map(|column| format!("{table}.{column}")));
            }
        }
    }
    loss
}

/// Nodes with a lease. An SQLite file has at most one, which holds the lock of its process.
async fn running_nodes(tx: &DatabaseTransaction, tables: &Tables) -> Result<i64, DbErr> {
    if tx.get_database_backend() != DbBackend::Postgres || !tables.contains_key("nodes") {
        return Ok(0);
    }
    let sql = "SELECT count(*) AS nodes FROM nodes WHERE expires_at > extract(epoch FROM clock_timestamp()) * 1000";
    let row = tx.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    row.map_or(Ok(0), |row| row.try_get("", "nodes"))
}

/// The tables of the database, without those that SQLite's indexes of words are made of.
async fn tables(tx: &DatabaseTransaction) -> Result<Tables, DbErr> {
    let backend = tx.get_database_backend();
    let sql = match backend {
        DbBackend::Sqlite => {
            "SELECT t.name AS table_name, c.name AS column_name FROM pragma_table_list t, pragma_table_info(t.name) c \
             WHERE t.schema = 'main' AND t.type IN ('table', 'virtual') AND t.name NOT LIKE 'sqlite_%'"
        }
        _ => {
            "SELECT table_name::text AS table_name, column_name::text AS column_name FROM information_schema.columns \
             WHERE table_schema = current_schema()"
        }
    };
    let mut tables = Tables::new();
    for row in tx.query_all_raw(Statement::from_string(backend, sql)).await? {
        let table: String = row.try_get("", "table_name")?;
        tables.entry(table).or_default().0.push(row.try_get("", "column_name")?);
    }
    for (table, (_, rows)) in &mut tables {
        let sql = format!("SELECT count(*) AS n FROM \"{table}\"");
        if let Some(row) = tx.query_one_raw(Statement::from_string(backend, sql)).await? {
            *rows = u64::try_from(row.try_get::<i64>("", "n")?).unwrap_or_default();
        }
    }
    Ok(tables)
}
