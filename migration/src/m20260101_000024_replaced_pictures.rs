//! The picture of a person or a room is kept for a while after another took its place: others still show it.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statement = "ALTER TABLE media ADD COLUMN kept_until BIGINT";
        manager.get_connection().execute_unprepared(statement).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statement = "ALTER TABLE media DROP COLUMN kept_until";
        manager.get_connection().execute_unprepared(statement).await.map(drop)
    }
}
