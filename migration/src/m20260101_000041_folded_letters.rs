//! Names and messages are compared without strokes (`ł`, `ø`), ligatures (`æ`) and the points of Hebrew and Arabic as well: what is
//! kept of them in that form is made anew.

use entity::{fold::fold, room::search_key};
use sea_orm_migration::prelude::*;

use crate::m20260101_000020_search_keys::{fill, index_anew};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        fill(manager, ["first", "second"], "users", ["full_name", "full_name"], "name_key", |name, _| name.map(fold))
            .await?;
        fill(manager, ["first", "second"], "rooms", ["name", "description"], "search_key", search_key).await?;
        index_anew(manager, "DELETE FROM follower_cursors WHERE follower = 'search'").await
    }

    /// What was made here is found by fewer words without the program that made it; nothing is lost.
    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}
