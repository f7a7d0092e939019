//! The search index: FTS5 with trigrams on SQLite, `pg_trgm` on PostgreSQL.

use sea_orm_migration::{prelude::*, schema::*, sea_orm::DbBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("search_rooms")
                    .col(pk_auto("number").big_integer())
                    .col(uuid("room_id").unique_key())
                    .col(big_integer("indexed_seq"))
                    .foreign_key(ForeignKey::create().from("search_rooms", "room_id").to("rooms", "id"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("search_documents")
                    .col(big_integer("id").primary_key())
                    .col(uuid("message_id").unique_key())
                    .col(uuid("room_id"))
                    .foreign_key(ForeignKey::create().from("search_documents", "message_id").to("messages", "id"))
                    .to_owned(),
            )
            .await?;
        let texts: &[&str] = match manager.get_database_backend() {
            // The texts are those of the messages: the index does not keep them a second time.
            DbBackend::Sqlite => &["CREATE VIRTUAL TABLE message_search USING fts5(\
                room, content, content='', contentless_delete=1, tokenize='trigram')"],
            _ => &[
                "CREATE EXTENSION IF NOT EXISTS pg_trgm",
                "CREATE TABLE message_search (id BIGINT PRIMARY KEY, content TEXT NOT NULL)",
                "CREATE INDEX message_search_by_part ON message_search USING gin (content gin_trgm_ops)",
            ],
        };
        for statement in texts {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["message_search", "search_documents", "search_rooms"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}
