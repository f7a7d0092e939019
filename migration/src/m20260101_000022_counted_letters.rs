//! How long a name may be is up to the server, which counts a letter with its accent as one. PostgreSQL counts the parts of which
//! it is put together. SQLite counts nothing.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

const COLUMNS: [(&str, &str, u32); 3] =
    [("users", "full_name", 100), ("rooms", "name", 100), ("rooms", "ai_model", 64)];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column, _) in COLUMNS {
            change(manager, &format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE text")).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column, length) in COLUMNS {
            let cut = format!("varchar({length}) USING left({column}, {length})");
            change(manager, &format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {cut}")).await?;
        }
        Ok(())
    }
}

async fn change(manager: &SchemaManager<'_>, statement: &str) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Postgres {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
