//! PostgreSQL's search index keeps the text of a message beside its room: what is asked of both together is answered by one
//! table, and its statistics tell which of the two to look at first.
//!
//! The list of entries that wait to go into the index is as short as it can be, 64 KiB: every question reads all of it, once for
//! each room that it names. Without such a list indexing takes 2.4 times as long
//! (<https://www.postgresql.org/docs/current/gin.html#GIN-FAST-UPDATE>).

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = "ALTER TABLE search_documents ADD COLUMN content TEXT NOT NULL";
        let index = "CREATE INDEX search_documents_by_part ON search_documents USING gin (content gin_trgm_ops) \
            WITH (gin_pending_list_limit = 64)";
        anew(manager, &["DROP TABLE message_search", table, index]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = "CREATE TABLE message_search (id BIGINT PRIMARY KEY, content TEXT NOT NULL)";
        let index = "CREATE INDEX message_search_by_part ON message_search USING gin (content gin_trgm_ops)";
        anew(manager, &["ALTER TABLE search_documents DROP COLUMN content", table, index]).await
    }
}

/// Makes these changes on PostgreSQL, after which everything is indexed anew.
async fn anew(manager: &SchemaManager<'_>, changes: &[&str]) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Sqlite {
        return Ok(());
    }
    let empty = ["DELETE FROM search_documents", "UPDATE search_rooms SET indexed_seq = 0"];
    for statement in empty.iter().chain(changes) {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
