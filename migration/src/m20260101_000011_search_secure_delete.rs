//! SQLite: an index that forgets at once. What is taken out of one that keeps no texts stays in its segments until they are
//! merged; with the texts at hand, `secure-delete` takes it out of the segments themselves
//! (<https://www.sqlite.org/fts5.html#the_secure_delete_configuration_option>). The index is filled anew by the indexer.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = "CREATE VIRTUAL TABLE message_search USING fts5(room, content, tokenize='trigram')";
        let option = "INSERT INTO message_search (message_search, rank) VALUES ('secure-delete', 1)";
        anew(manager, &[table, option]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = "CREATE VIRTUAL TABLE message_search USING fts5(\
            room, content, content='', contentless_delete=1, tokenize='trigram')";
        anew(manager, &[table]).await
    }
}

/// Replaces the index by an empty one that these statements make.
async fn anew(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Sqlite {
        return Ok(());
    }
    let empty =
        ["DROP TABLE message_search", "DELETE FROM search_documents", "UPDATE search_rooms SET indexed_seq = 0"];
    for statement in empty.iter().chain(statements) {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}
